#include "problems/plugin_library.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"
#include "problems/plugin_abi.h"

extern char** environ;

namespace wasserflow {

namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

std::string compiler() {
  const std::string chosen = environment("WASSERFLOW_CXX");
  return chosen.empty() ? WASSERFLOW_PLUGIN_COMPILER : chosen;
}

/// The folder that `#include "problems/plugin.hpp"` counts from: beside the installed program, of the installation, or the source tree.
std::string include_folder() {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  for (const fs::path& folder : {fs::path(environment("WASSERFLOW_INCLUDE")), program.parent_path().parent_path() / "include" / "wasserflow",
                                 fs::path(WASSERFLOW_PLUGIN_SOURCE_DIR), fs::path(WASSERFLOW_PLUGIN_INSTALL_DIR)})
    if (!folder.empty() && fs::exists(folder / "problems" / "plugin.hpp", ignored)) return folder.string();
  throw InputError("the headers for plugins were not found: set WASSERFLOW_INCLUDE to the folder that holds problems/plugin.hpp");
}

fs::path cache_folder() {
  const std::string xdg = environment("XDG_CACHE_HOME"), home = environment("HOME");
  if (!xdg.empty()) return fs::path(xdg) / "wasserflow";
  if (!home.empty()) return fs::path(home) / ".cache" / "wasserflow";
  return fs::temp_directory_path() / ("wasserflow-" + std::to_string(getuid()));
}

std::string contents(const fs::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

/// Runs a program without a shell; its output goes to `output`, its messages to `messages`. Returns the exit status, 127 when it cannot be started.
int execute(const std::vector<std::string>& arguments, const fs::path& output, const fs::path& messages) {
  std::vector<char*> argv;
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&files, 2, messages.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, argv[0], &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (failed) return 127;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/// FNV-1a, 64 bits, from two bases.
std::string fingerprint(const std::string& text) {
  std::string r;
  for (std::uint64_t h : {14695981039346656037ULL, 1099511628211ULL * 31 + 7}) {
    for (const char ch : text) h = (h ^ static_cast<unsigned char>(ch)) * 1099511628211ULL;
    r += fmt::format("{:016x}", h);
  }
  return r;
}

std::vector<std::string> flags(const std::string& folder) {
  // As the kernels of this library; -Ofast would change the floating-point state of the whole process when the library is loaded.
  std::vector<std::string> f{"-std=c++20", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-fno-gnu-unique"};
  std::istringstream more(WASSERFLOW_PLUGIN_FLAGS);
  for (std::string flag; more >> flag;) f.push_back(flag);
  f.push_back("-I" + folder);
  return f;
}

/// Scratch files of one compilation, removed at the end.
struct Scratch {
  fs::path output, messages;
  ~Scratch() {
    std::error_code ignored;
    fs::remove(output, ignored);
    fs::remove(messages, ignored);
  }
};

[[noreturn]] void compilation_failed(const std::string& source, const std::string& messages) {
  // The first "file:line:column: error" is the place; the text is shown up to a screenful.
  Location where{source, 0, 0};
  std::istringstream lines(messages);
  std::string shown;
  int count = 0;
  for (std::string line; std::getline(lines, line) && count < 40; ++count) {
    shown += "\n" + line;
    const std::size_t error = line.find(": error");
    if (where.line == 0 && error != std::string::npos) {
      std::string file = line.substr(0, error);
      std::array<int, 2> numbers{};
      for (int k = 1; k >= 0; --k) {
        const std::size_t colon = file.rfind(':');
        if (colon == std::string::npos) break;
        numbers[static_cast<std::size_t>(k)] = std::atoi(file.c_str() + colon + 1);
        file.resize(colon);
      }
      where = {file, numbers[0], numbers[1]};
    }
  }
  throw InputError("the Hamiltonian does not compile:" + shown, where);
}

}  // namespace

std::string compile_plugin(const std::string& source) {
  if (!fs::exists(source)) throw InputError("the Hamiltonian's source '" + source + "' does not exist");
  const std::string folder = include_folder();
  const fs::path cache = cache_folder();
  std::error_code error;
  fs::create_directories(cache, error);
  if (error) throw IoError("the folder for compiled Hamiltonians '" + cache.string() + "' cannot be made: " + error.message());
  const std::string unique = fmt::format("{}.{}", getpid(), fingerprint(source).substr(0, 8));
  const Scratch scratch{cache / (unique + ".tmp"), cache / (unique + ".messages")};

  // -dD keeps the definitions, among them those of the processor.
  std::vector<std::string> command{compiler()};
  for (const std::string& f : flags(folder)) command.push_back(f);
  std::vector<std::string> preprocess = command;
  preprocess.insert(preprocess.end(), {"-E", "-dD", source});
  const int preprocessed = execute(preprocess, scratch.output, scratch.messages);
  if (preprocessed == 127)
    throw InputError("there is no C++ compiler '" + compiler() + "' for the Hamiltonian " + source + ": install one or set WASSERFLOW_CXX");
  if (preprocessed != 0) compilation_failed(source, contents(scratch.messages));
  std::string identity = contents(scratch.output);
  for (const std::string& part : command) identity += "\n" + part;
  const fs::path library = cache / (fingerprint(identity) + ".so");
  if (fs::exists(library)) return library.string();

  command.insert(command.end(), {"-shared", source, "-o", scratch.output.string()});
  const fs::path null = "/dev/null";
  if (execute(command, null, scratch.messages) != 0) compilation_failed(source, contents(scratch.messages));
  fs::rename(scratch.output, library, error);
  if (error) throw IoError("the compiled Hamiltonian cannot be kept as '" + library.string() + "': " + error.message());
  return library.string();
}

namespace {

class PluginLaw final : public ConvexLaw {
 public:
  PluginLaw(const wf_hamiltonian_v1* table, int dim) : table_(table), dim_(dim) {}
  int coefficients() const override { return table_->coefficients; }
  void tabulate(const RowPoints& p, double* const* c) const override {
    if (table_->coefficients > 0) table_->tabulate(dim_, p.n, p.x, p.y, p.z, p.t, c);
  }
  void evaluate(const RowPoints& p, const double* const* c, const double* const* slope, double* h, double* const* g, double* const* hess,
                int axis) const override {
    table_->evaluate(dim_, p.n, p.x, p.y, p.z, p.t, c, slope, h, g, hess, axis);
  }

 private:
  const wf_hamiltonian_v1* table_;
  int dim_;
};

}  // namespace

LawPtr load_plugin(const std::string& library, int dim) {
  if (!fs::exists(library)) throw InputError("the Hamiltonian's library '" + library + "' does not exist");
  void* const handle = dlopen(fs::absolute(library).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw InputError("the Hamiltonian's library cannot be loaded: " + std::string(dlerror()));
  using Entry = const wf_hamiltonian_v1* (*)();
  void* const symbol = dlsym(handle, "wf_plugin");
  if (!symbol) throw InputError("'" + library + "' is not a Hamiltonian: it does not export wf_plugin (see problems/plugin_abi.h)");
  const wf_hamiltonian_v1* const table = reinterpret_cast<Entry>(symbol)();
  if (!table || table->abi != wf_abi_version || table->size < static_cast<int>(sizeof(wf_hamiltonian_v1)))
    throw InputError(fmt::format("'{}' was built for version {} of the interface, this program has version {}", library, table ? table->abi : 0,
                                 static_cast<int>(wf_abi_version)));
  if (table->coefficients < 0 || table->coefficients > 12)
    throw InputError(fmt::format("'{}' has {} coefficients; 0 to 12 are possible", library, table->coefficients));
  if (table->evaluate(dim, 0, nullptr, 0, 0, 0, nullptr, nullptr, nullptr, nullptr, nullptr, -1) != 0)
    throw InputError(fmt::format("the Hamiltonian '{}' is not defined in dimension {}", table->name, dim));
  return std::make_shared<PluginLaw>(table, dim);
}

namespace {
/// make() gives the library's path on rank 0.
template <class F>
LawPtr load_from_first_rank(int dim, F&& make) {
  std::string library;
  check_all(MPI_COMM_WORLD, [&] {
    if (rank_of(MPI_COMM_WORLD) == 0) library = make();
  });
  int length = static_cast<int>(library.size());
  MPI_Bcast(&length, 1, MPI_INT, 0, MPI_COMM_WORLD);
  library.resize(static_cast<std::size_t>(length));
  MPI_Bcast(library.data(), length, MPI_CHAR, 0, MPI_COMM_WORLD);
  LawPtr law;
  check_all(MPI_COMM_WORLD, [&] { law = load_plugin(library, dim); });
  return law;
}
}  // namespace

LawPtr compile_and_load(const std::string& source, int dim) {
  return load_from_first_rank(dim, [&] { return compile_plugin(source); });
}

LawPtr compile_text_and_load(const std::string& text, int dim) {
  return load_from_first_rank(dim, [&] {
    const fs::path cache = cache_folder(), source = cache / (fingerprint(text) + ".cpp");
    std::error_code error;
    fs::create_directories(cache, error);
    // The same text from several processes at once: each writes its own file and renames it.
    const fs::path part = cache / fmt::format("{}.{}.part", fingerprint(text), getpid());
    std::ofstream(part) << text;
    fs::rename(part, source, error);
    if (error) throw IoError("the folder for compiled Hamiltonians '" + cache.string() + "' cannot be written: " + error.message());
    return compile_plugin(source.string());
  });
}

HamiltonianTerms read_plugin_hamiltonian(const Parameters& p, int dim) {
  const auto file = [&](const std::string& key, const std::string& doc) {
    const fs::path given = p.text(key, doc);
    return (given.is_absolute() ? given : fs::path(p.directory()) / given).lexically_normal().string();
  };
  LawPtr law;
  if (p.has("library")) {
    const std::string library = file("library", "Shared library with a Hamiltonian (problems/plugin_abi.h), relative to the problem file");
    check_all(MPI_COMM_WORLD, [&] { law = load_plugin(library, dim); });
  } else {
    law = compile_and_load(
        file("source", "C++ file with a Hamiltonian (problems/plugin.hpp), relative to the problem file; compiled once and cached"), dim);
  }
  return make_convex("plugin", law, dim, read_convex_options(p));
}

}  // namespace wasserflow
