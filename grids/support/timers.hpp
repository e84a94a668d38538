#pragma once
/// Wall-clock times of named, nested pieces of work. The outermost scopes are stages, the others events of PETSc's log (-log_view).
#include <mpi.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wasserflow {

class Timers {
 public:
  /// Ends the piece of work that Timers::scope began.
  class Scope {
   public:
    explicit Scope(Timers* owner) : owner_(owner) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
      if (owner_) owner_->end();
    }

   private:
    Timers* owner_;
  };

  /// One line of the table: seconds of this rank, or the least and the largest over ranks.
  struct Entry {
    std::string path;  ///< "solve/transform"
    int depth = 0;     ///< 0 for stages
    std::int64_t calls = 0;
    double seconds = 0;      ///< the largest over ranks after collect
    double min_seconds = 0;  ///< the least over ranks after collect
  };

  Timers();
  ~Timers();
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  /// The timers of this process, which solvers use without being handed them.
  static Timers& global();

  /// const auto t = Timers::global().scope("transform");  Costs about 0.1 microseconds; one thread only.
  [[nodiscard]] Scope scope(std::string_view name);

  std::vector<Entry> entries() const;  ///< of this rank, finished scopes, parents before children, in order of first use
  /// Rank 0's entries with the least and largest times over all ranks; the same on every rank.
  /// @note Collective.
  std::vector<Entry> collect(MPI_Comm comm) const;
  static std::string table(const std::vector<Entry>& entries);
  void clear();  ///< no scope may be open

 private:
  struct Node;
  void end();
  std::unique_ptr<Node> root_;
  Node* current_ = nullptr;
};

}  // namespace wasserflow
