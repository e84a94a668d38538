#include "grids/axis_swap.hpp"

#include <algorithm>

#include "grids/support/errors.hpp"

namespace wasserflow {

AxisSwap::AxisSwap(LayoutPtr from) : from_(std::move(from)) {
  if (from_->dim() < 2) throw InternalError("AxisSwap: there is one axis only");
  std::vector<Axis> axes = from_->grid().axes();
  std::swap(axes.front(), axes.back());
  to_ = make_layout(from_->comm(), Grid(std::move(axes)), std::min(from_->ghost(), from_->grid().cells(0) / from_->ranks()));
  const int middle = from_->dim() == 3 ? from_->grid().cells(1) : 1;
  int sent = 0, received = 0;
  for (int r = 0; r < from_->ranks(); ++r) {
    send_at_.push_back(sent), receive_at_.push_back(received);
    send_counts_.push_back(from_->count() * middle * to_->count_of(r));
    receive_counts_.push_back(from_->count_of(r) * middle * to_->count());
    sent += send_counts_.back(), received += receive_counts_.back();
  }
  outgoing_.resize(static_cast<std::size_t>(sent));
  incoming_.resize(static_cast<std::size_t>(received));
}

void AxisSwap::apply(const Field& u, Field& v) {
  const int nx = from_->grid().cells(0), middle = from_->dim() == 3 ? from_->grid().cells(1) : 1, slow = from_->slow_cells();
  const std::ptrdiff_t rows = static_cast<std::ptrdiff_t>(from_->count()) * middle;
  double* out = outgoing_.data();
  for (int r = 0; r < from_->ranks(); ++r)
    for (std::ptrdiff_t row = 0; row < rows; ++row) out = std::copy_n(u.level() + row * nx + to_->first_of(r), to_->count_of(r), out);
  MPI_Alltoallv(outgoing_.data(), send_counts_.data(), send_at_.data(), MPI_DOUBLE, incoming_.data(), receive_counts_.data(), receive_at_.data(),
                MPI_DOUBLE, from_->comm());
  // What rank r sent: [its planes][middle][x of this rank], to [x][middle][planes]; blocks of eight planes share the lines that are read.
  const int mine = to_->count();
  for (int r = 0; r < from_->ranks(); ++r) {
    const double* in = incoming_.data() + receive_at_[static_cast<std::size_t>(r)];
    const int first = from_->first_of(r), count = from_->count_of(r);
    for (int z = 0; z < count; z += 8)
      for (int y = 0; y < middle; ++y)
        for (int x = 0; x < mine; ++x) {
          double* line = v.level() + (static_cast<std::ptrdiff_t>(x) * middle + y) * slow + first;
          for (int k = z; k < std::min(z + 8, count); ++k) line[k] = in[(static_cast<std::ptrdiff_t>(k) * middle + y) * mine + x];
        }
  }
}

}  // namespace wasserflow
