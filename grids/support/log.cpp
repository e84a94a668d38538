#include "grids/support/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"

namespace wasserflow {

struct Log::Impl {
  bool writes = false;  // rank 0
  bool live = false;
  bool rows = true;
  bool line_open = false;  // a progress line stands on the terminal
  std::chrono::steady_clock::time_point last_progress;
  Verbosity verbosity = Verbosity::Normal;
  std::shared_ptr<spdlog::logger> terminal, file;
  std::string before;  // lines written until there is a file

  void to_terminal(const std::string& text) {
    if (line_open) std::fputs("\r\033[K", stdout);
    line_open = false;
    terminal->info(text);
    terminal->flush();
  }
  void to_file(const std::string& text) {
    if (file)
      file->info(text);
    else
      before += text + "\n";
  }
};

namespace {

std::shared_ptr<spdlog::logger> make_logger(const spdlog::sink_ptr& sink) {
  auto logger = std::make_shared<spdlog::logger>("", sink);
  logger->set_pattern("%v");
  // A log that cannot be written is no reason to end a run: results have their own checks.
  logger->set_error_handler([](const std::string&) {});
  return logger;
}

}  // namespace

Log::Log() = default;
Log::~Log() = default;
Log::Log(Log&&) noexcept = default;
Log& Log::operator=(Log&&) noexcept = default;

Log::Log(MPI_Comm comm, Verbosity verbosity, Progress progress) : impl_(std::make_unique<Impl>()) {
  impl_->writes = rank_of(comm) == 0;
  impl_->verbosity = verbosity;
  impl_->rows = progress != Progress::Off;
  const bool under_mpirun = std::getenv("OMPI_COMM_WORLD_SIZE") || std::getenv("PMI_SIZE") || std::getenv("SLURM_PROCID");
  impl_->live = progress == Progress::Auto && verbosity != Verbosity::Quiet && size_of(comm) == 1 && !under_mpirun && isatty(STDOUT_FILENO);
  if (impl_->writes) impl_->terminal = make_logger(std::make_shared<spdlog::sinks::stdout_sink_st>());
}

bool Log::shows(Verbosity level) const { return impl_ && impl_->writes && level <= impl_->verbosity; }

Verbosity Log::verbosity() const { return impl_ ? impl_->verbosity : Verbosity::Quiet; }

void Log::line(const std::string& text) {
  if (!shows(Verbosity::Quiet)) return;
  impl_->to_terminal(text);
  impl_->to_file(text);
}

void Log::row(const std::string& text) {
  if (!shows(Verbosity::Quiet)) return;
  if (impl_->rows) impl_->to_terminal(text);
  impl_->to_file(text);
}

bool Log::live() const { return impl_ && impl_->writes && impl_->live; }

void Log::progress(const std::string& text) {
  if (!live()) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - impl_->last_progress < std::chrono::milliseconds(100)) return;
  impl_->last_progress = now;
  std::fprintf(stdout, "\r\033[K%s", text.c_str());
  std::fflush(stdout);
  impl_->line_open = true;
}

void Log::open(const std::string& path, bool append) {
  if (!impl_ || !impl_->writes) return;
  try {
    impl_->file = make_logger(std::make_shared<spdlog::sinks::basic_file_sink_st>(path, !append));
  } catch (const spdlog::spdlog_ex& e) {
    throw IoError(path + ": cannot be opened for writing (" + e.what() + ")");
  }
  impl_->file->flush_on(spdlog::level::info);
  if (!impl_->before.empty()) {
    impl_->before.pop_back();
    impl_->file->info(impl_->before);
    impl_->before.clear();
  }
}

void Log::flush() {
  if (!impl_ || !impl_->writes) return;
  impl_->terminal->flush();
  if (impl_->file) impl_->file->flush();
}

}  // namespace wasserflow
