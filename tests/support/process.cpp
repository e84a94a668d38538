#include "tests/support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

extern char** environ;

namespace wasserflow::test {

namespace {

/// The environment without what a surrounding MPI job has put there, and with what mpirun needs here.
std::vector<std::string> child_environment(const std::map<std::string, std::string>& more) {
  std::map<std::string, std::string> all;
  for (char** e = environ; *e; ++e) {
    const std::string entry = *e;
    const std::string name = entry.substr(0, entry.find('='));
    const bool mpi = name.starts_with("OMPI_") || name.starts_with("PMIX_") || name.starts_with("ORTE_") || name.starts_with("PMI_");
    if (!mpi) all[name] = entry.substr(name.size() + 1);
  }
  for (const char* yes : {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_rmaps_base_oversubscribe", "OMPI_MCA_mpi_yield_when_idle"})
    all.insert_or_assign(yes, std::string("1"));
  all.insert_or_assign("OMPI_MCA_hwloc_base_binding_policy", std::string("none"));
  for (const auto& [name, value] : more) all[name] = value;
  std::vector<std::string> out;
  for (const auto& [name, value] : all) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> p;
  for (std::string& w : words) p.push_back(w.data());
  p.push_back(nullptr);
  return p;
}

/// mpirun frames what it says in lines of dashes, and announces MPI_Abort so.
std::string without_mpirun(const std::string& text) {
  std::istringstream in(text);
  std::string out;
  bool framed = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("-----")) {
      framed = !framed;
      continue;
    }
    if (!framed) out += line + "\n";
  }
  return out;
}

}  // namespace

ProcessResult run_process(const std::vector<std::string>& command, const ProcessOptions& options) {
  std::vector<std::string> words = command;
  if (options.ranks > 1) words.insert(words.begin(), {"mpirun", "--oversubscribe", "-n", std::to_string(options.ranks)});
  std::vector<std::string> environment = child_environment(options.environment);
  const std::vector<char*> argv = pointers(words), envp = pointers(environment);
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid == 0) {
    setpgid(0, 0);
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    if (!options.directory.empty() && chdir(options.directory.c_str()) != 0) _exit(126);
    for (const int signal : {SIGTERM, SIGUSR1, SIGINT}) std::signal(signal, SIG_DFL);
    execvpe(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  close(out[1]);
  close(err[1]);
  ProcessResult result;
  std::string raw;
  pollfd fds[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  std::string* sinks[2] = {&result.out, &raw};
  int status = 0;
  bool ended = false;
  // After the process has ended its pipes may still be held by ranks that mpirun left behind: they get a moment.
  double end_seen = 0;
  while (fds[0].fd >= 0 || fds[1].fd >= 0 || !ended) {
    poll(fds, 2, 5);
    for (int i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || !fds[i].revents) continue;
      char buffer[4096];
      const ssize_t n = read(fds[i].fd, buffer, sizeof buffer);
      if (n > 0)
        sinks[i]->append(buffer, static_cast<std::size_t>(n));
      else
        fds[i].fd = -1;
    }
    if (!ended && waitpid(pid, &status, WNOHANG) == pid) {
      ended = true;
      end_seen = elapsed();
    }
    if (!ended && options.meanwhile) options.meanwhile(pid);
    if (!ended && elapsed() > options.timeout) {
      result.timed_out = true;
      kill(-pid, SIGKILL);
    }
    if (ended && elapsed() > end_seen + 2) break;
  }
  close(out[0]);
  close(err[0]);
  result.seconds = elapsed();
  result.err = without_mpirun(raw);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::string app_path(const std::string& name) {
  return std::string(WASSERFLOW_BINARY_DIR) + (name.starts_with("app_") ? "/tests/" : "/apps/") + name;
}

ProcessResult run_app(const std::string& name, const std::vector<std::string>& arguments, const ProcessOptions& options) {
  std::vector<std::string> command{app_path(name)};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run_process(command, options);
}

std::string fresh_directory(const std::string& name) {
  const std::filesystem::path path = std::filesystem::path(WASSERFLOW_BINARY_DIR) / "test_runs" / name;
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path.string();
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_file(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

int count_lines(const std::string& text, const std::string& part) {
  std::istringstream in(text);
  int n = 0;
  for (std::string line; std::getline(in, line);) n += line.find(part) != std::string::npos;
  return n;
}

}  // namespace wasserflow::test
