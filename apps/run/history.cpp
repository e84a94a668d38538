#include "apps/run/history.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "grids/support/errors.hpp"

namespace wasserflow {

History::History(std::string path, long long rows) : path_(std::move(path)) {
  std::string kept;
  if (rows > 0) {
    std::ifstream in(path_);
    std::string line;
    if (std::getline(in, header_)) kept = header_ + "\n";
    for (; rows_ < rows && std::getline(in, line) && !in.eof(); ++rows_) kept += line + "\n";
    if (rows_ != rows) throw IoError(fmt::format("{}: {} rows are there, the checkpoint counts {}", path_, rows_, rows));
  }
  if (::truncate(path_.c_str(), static_cast<off_t>(kept.size())) != 0 && errno != ENOENT)
    throw IoError(fmt::format("{}: {}", path_, std::strerror(errno)));
}

History::~History() {
  if (file_ >= 0) ::close(file_);
}

void History::append(const std::string& line) {
  if (file_ < 0) file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file_ < 0) throw IoError(fmt::format("{}: {}", path_, std::strerror(errno)));
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t n = ::write(file_, line.data() + done, line.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw IoError(fmt::format("{}: {}", path_, std::strerror(errno)));
    done += static_cast<std::size_t>(n);
  }
}

void History::write(const HistoryRow& row) {
  std::string names, values;
  for (const auto& [name, value] : row) {
    if (!names.empty()) names += ",", values += ",";
    names += name;
    // Of numbers the shortest text that reads back to the same bits.
    std::visit([&](const auto& v) { values += fmt::format("{}", v); }, value.value);
  }
  if (header_.empty()) {
    header_ = names;
    append(header_ + "\n");
  }
  if (names != header_) throw InternalError(fmt::format("history.csv has the columns {}, not {}", header_, names));
  append(values + "\n");
  ++rows_;
}

void History::sync() {
  if (file_ >= 0 && ::fsync(file_) != 0) throw IoError(fmt::format("{}: {}", path_, std::strerror(errno)));
}

}  // namespace wasserflow
