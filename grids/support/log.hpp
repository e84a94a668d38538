#pragma once
/// Messages for people: on rank 0 only, to the terminal and to log.txt.
#include <fmt/core.h>
#include <mpi.h>

#include <memory>
#include <string>
#include <utility>

namespace wasserflow {

/// How much is said. Each level says what the ones before it say, too.
enum class Verbosity {
  Quiet,     ///< warnings, and where the results are
  Normal,    ///< what is solved, a row for each logged step, a summary
  Detailed,  ///< a row for each logged iteration
  Debug      ///< decisions of solvers: step sizes, restarts, fallbacks
};

/// Writes lines. On ranks other than 0 every member does nothing. No member is collective but the constructor.
class Log {
 public:
  enum class Progress { Auto, Plain, Off };
  /// A log that drops everything (for solvers that are called without a driver).
  Log();
  /// @note Collective.
  Log(MPI_Comm comm, Verbosity verbosity, Progress progress = Progress::Auto);
  ~Log();
  Log(Log&&) noexcept;
  Log& operator=(Log&&) noexcept;

  /// True when lines of this level are written (always false on other ranks than 0): ask before costly formatting.
  bool shows(Verbosity level) const;
  Verbosity verbosity() const;

  template <class... A>
  void info(fmt::format_string<A...> format, A&&... values) {
    if (shows(Verbosity::Normal)) line(fmt::format(format, std::forward<A>(values)...));
  }
  template <class... A>
  void detail(fmt::format_string<A...> format, A&&... values) {
    if (shows(Verbosity::Detailed)) line(fmt::format(format, std::forward<A>(values)...));
  }
  template <class... A>
  void debug(fmt::format_string<A...> format, A&&... values) {
    if (shows(Verbosity::Debug)) line(fmt::format(format, std::forward<A>(values)...));
  }
  /// Shown at every level; "warning: " is put before it.
  template <class... A>
  void warn(fmt::format_string<A...> format, A&&... values) {
    if (shows(Verbosity::Quiet)) line("warning: " + fmt::format(format, std::forward<A>(values)...));
  }
  /// As it stands, at every level.
  void line(const std::string& text);
  /// Rows of tables: to log.txt always, to the terminal unless --progress off.
  void row(const std::string& text);

  /// A line that the next one replaces; only on one process at a terminal, since under mpirun every stdout looks like one.
  /// At most ten a second are shown.
  bool live() const;
  void progress(const std::string& text);

  /// From here on lines go to this file, too, those written before included. Throws IoError (on rank 0 alone: call it inside check_all).
  void open(const std::string& path, bool append);
  void flush();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wasserflow
