#include "grids/support/errors.hpp"

#include <array>
#include <climits>
#include <vector>

namespace wasserflow {

std::string Location::text() const {
  std::string s = file;
  if (line > 0) s += ":" + std::to_string(line);
  if (line > 0 && column > 0) s += ":" + std::to_string(column);
  return s;
}

InputError::InputError(const std::string& message, Location where)
    : Error(ExitCode::BadInput, where.file.empty() ? message : where.text() + ": " + message), where_(std::move(where)) {}

void check_all(MPI_Comm comm, const std::function<void()>& work) {
  int code = 0;
  std::string message;
  try {
    work();
  } catch (const Error& e) {
    code = static_cast<int>(e.code());
    message = e.what();
  } catch (const std::exception& e) {
    code = static_cast<int>(ExitCode::Internal);
    message = e.what();
  }
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  int failing = code == 0 ? INT_MAX : rank;
  MPI_Allreduce(MPI_IN_PLACE, &failing, 1, MPI_INT, MPI_MIN, comm);
  if (failing == INT_MAX) return;
  std::array<int, 2> head{code, static_cast<int>(message.size())};
  MPI_Bcast(head.data(), 2, MPI_INT, failing, comm);
  message.resize(static_cast<std::size_t>(head[1]));
  MPI_Bcast(message.data(), head[1], MPI_CHAR, failing, comm);
  switch (static_cast<ExitCode>(head[0])) {
    case ExitCode::BadInput: throw InputError(message);
    case ExitCode::IoFailed: throw IoError(message);
    case ExitCode::Diverged: throw DivergedError(message);
    default: throw InternalError(message);
  }
}

}  // namespace wasserflow
