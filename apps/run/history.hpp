#pragma once
/// history.csv: a row for each logged step or iteration, written at once.
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace wasserflow {

/// One value of a row: a number, or a word (letters, digits, '-' and '_').
struct HistoryValue {
  HistoryValue(double number) : value(number) {}
  HistoryValue(std::string word) : value(std::move(word)) {}
  std::variant<double, std::string> value;
};
using HistoryRow = std::vector<std::pair<std::string, HistoryValue>>;

/// Belongs to one process (rank 0); nothing is collective. All throw IoError.
class History {
 public:
  /// Keeps the first `rows` rows of an existing file and removes the rest (0: starts anew). The file is made with the first row.
  explicit History(std::string path, long long rows = 0);
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  /// The first row's names make the header. InternalError when later names differ.
  void write(const HistoryRow& row);
  long long rows() const { return rows_; }
  /// To the disk, so that a checkpoint may count on the rows.
  void sync();

 private:
  void append(const std::string& line);
  std::string path_;
  std::string header_;
  long long rows_ = 0;
  int file_ = -1;
};

}  // namespace wasserflow
