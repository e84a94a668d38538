#pragma once
/// history.csv: a row for each logged step or iteration, written at once.
#include <string>
#include <utility>
#include <vector>

namespace wasserflow {

/// Belongs to one process (rank 0); nothing is collective. All throw IoError.
class History {
 public:
  /// Keeps the first `rows` rows of an existing file and removes the rest (0: starts anew). The file is made with the first row.
  explicit History(std::string path, long long rows = 0);
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  /// The first row's names make the header. InternalError when later names differ.
  void write(const std::vector<std::pair<std::string, double>>& row);
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
