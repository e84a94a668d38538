#include "grids/support/timers.hpp"

#include <fmt/format.h>
#include <petsclog.h>

#include <chrono>
#include <map>

#include "grids/support/errors.hpp"
#include "grids/support/mpi.hpp"

namespace wasserflow {

namespace {

using Clock = std::chrono::steady_clock;

// Names in PETSc's log are kept for the process; a stage or event of a name is registered once.
PetscLogStage stage_of(const std::string& name) {
  static std::map<std::string, PetscLogStage> known;
  if (const auto it = known.find(name); it != known.end()) return it->second;
  PetscLogStage stage = -1;
  petsc_check(PetscLogStageRegister(name.c_str(), &stage));
  return known[name] = stage;
}

PetscLogEvent event_of(const std::string& name) {
  static PetscClassId id = 0;
  static std::map<std::string, PetscLogEvent> known;
  if (id == 0) petsc_check(PetscClassIdRegister("Wasserflow", &id));
  if (const auto it = known.find(name); it != known.end()) return it->second;
  PetscLogEvent event = -1;
  petsc_check(PetscLogEventRegister(name.c_str(), id, &event));
  return known[name] = event;
}

}  // namespace

struct Timers::Node {
  std::string name;
  Node* parent = nullptr;
  std::vector<std::unique_ptr<Node>> children;
  std::int64_t calls = 0;
  double seconds = 0;
  Clock::time_point started;
  int petsc = -1;  // stage (depth 0) or event, once PETSc runs
  bool logged = false;

  bool is_stage() const { return parent && !parent->parent; }
  void petsc_begin() {
    if (!petsc_alive()) return;
    if (petsc < 0) petsc = is_stage() ? stage_of(name) : event_of(name);
    petsc_check(is_stage() ? PetscLogStagePush(petsc) : PetscLogEventBegin(petsc, 0, 0, 0, 0));
    logged = true;
  }
  void petsc_end() noexcept {
    if (logged && petsc_alive()) {
      if (is_stage())
        PetscLogStagePop();
      else
        PetscLogEventEnd(petsc, 0, 0, 0, 0);
    }
    logged = false;
  }
};

Timers::Timers() : root_(std::make_unique<Node>()), current_(root_.get()) {}
Timers::~Timers() = default;

Timers& Timers::global() {
  static Timers timers;
  return timers;
}

Timers::Scope Timers::scope(std::string_view name) {
  Node* node = nullptr;
  for (const auto& child : current_->children)
    if (child->name == name) node = child.get();
  if (!node) {
    current_->children.push_back(std::make_unique<Node>());
    node = current_->children.back().get();
    node->name = name;
    node->parent = current_;
  }
  node->petsc_begin();
  current_ = node;
  node->started = Clock::now();
  return Scope(this);
}

void Timers::end() {
  current_->seconds += std::chrono::duration<double>(Clock::now() - current_->started).count();
  ++current_->calls;
  current_->petsc_end();
  current_ = current_->parent;
}

void Timers::clear() {
  if (current_ != root_.get()) throw InternalError("timers are cleared inside of a scope");
  root_->children.clear();
}

std::vector<Timers::Entry> Timers::entries() const {
  std::vector<Entry> out;
  const auto visit = [&](const auto& self, const Node& node, const std::string& path, int depth) -> void {
    for (const auto& child : node.children) {
      const std::string at = path.empty() ? child->name : path + "/" + child->name;
      out.push_back({at, depth, child->calls, child->seconds, child->seconds});
      self(self, *child, at, depth + 1);
    }
  };
  visit(visit, *root_, "", 0);
  return out;
}

std::vector<Timers::Entry> Timers::collect(MPI_Comm comm) const {
  const std::vector<Entry> mine = entries();
  // Scopes may differ between ranks: rank 0's names count.
  std::string names;
  for (const Entry& e : mine) names += fmt::format("{}\n{}\n{}\n", e.path, e.depth, e.calls);
  int size = static_cast<int>(names.size());
  MPI_Bcast(&size, 1, MPI_INT, 0, comm);
  names.resize(static_cast<std::size_t>(size));
  MPI_Bcast(names.data(), size, MPI_CHAR, 0, comm);
  std::vector<Entry> out;
  std::size_t at = 0;
  const auto next = [&] {
    const std::size_t end = names.find('\n', at);
    std::string s = names.substr(at, end - at);
    at = end + 1;
    return s;
  };
  while (at < names.size()) {
    Entry e;
    e.path = next();
    e.depth = std::stoi(next());
    e.calls = std::stoll(next());
    for (const Entry& own : mine)
      if (own.path == e.path) e.seconds = e.min_seconds = own.seconds;
    out.push_back(e);
  }
  std::vector<double> most, least;
  for (const Entry& e : out) {
    most.push_back(e.seconds);
    least.push_back(e.seconds);
  }
  MPI_Allreduce(MPI_IN_PLACE, most.data(), static_cast<int>(most.size()), MPI_DOUBLE, MPI_MAX, comm);
  MPI_Allreduce(MPI_IN_PLACE, least.data(), static_cast<int>(least.size()), MPI_DOUBLE, MPI_MIN, comm);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i].seconds = most[i];
    out[i].min_seconds = least[i];
  }
  return out;
}

std::string Timers::table(const std::vector<Entry>& entries) {
  double total = 0;
  for (const Entry& e : entries)
    if (e.depth == 0) total += e.seconds;
  std::string s = fmt::format("{:<40}{:>10}{:>12}{:>12}{:>8}\n", "timer", "calls", "seconds", "least", "share");
  for (const Entry& e : entries) {
    const std::string name = std::string(static_cast<std::size_t>(2 * e.depth), ' ') + e.path.substr(e.path.rfind('/') + 1);
    s += fmt::format("{:<40}{:>10}{:>12.3f}{:>12.3f}{:>7.1f}%\n", name, e.calls, e.seconds, e.min_seconds, total > 0 ? 100 * e.seconds / total : 0.0);
  }
  return s;
}

}  // namespace wasserflow
