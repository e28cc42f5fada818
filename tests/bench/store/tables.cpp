#include "tables.hpp"

#include <algorithm>

namespace store {
namespace {

constexpr std::uint64_t kMeasuredAt[] = {0,       10'000,  50'000,  100'000, 250'000, 500'000,
                                         750'000, 900'000, 950'000, 990'000, 999'000, 1'000'000};

}  // namespace

std::uint64_t integer_root(std::uint64_t x) {
  std::uint64_t root = 0;
  for (std::uint64_t bit = std::uint64_t{1} << 31; bit != 0; bit >>= 1)
    if ((root | bit) * (root | bit) <= x) root |= bit;
  return root;
}

Quantiles::Quantiles(const std::vector<std::uint64_t>& measured) {
  for (std::size_t i = 0; i < measured.size(); i++) points_.push_back({kMeasuredAt[i], measured[i]});
  for (int round = 0; round < 2; round++) {
    std::vector<Point> finer{points_.front()};
    for (std::size_t i = 1; i < points_.size(); i++) {
      const Point &a = points_[i - 1], &b = points_[i];
      finer.push_back({(a.millionths + b.millionths) / 2, integer_root(a.bytes * b.bytes)});
      finer.push_back(b);
    }
    points_ = std::move(finer);
  }
}

std::uint64_t Quantiles::at(std::uint64_t millionths) const {
  const auto above =
      std::upper_bound(points_.begin() + 1, points_.end() - 1, millionths,
                       [](std::uint64_t p, const Point& point) { return p < point.millionths; });
  const Point &a = above[-1], &b = *above;
  return a.bytes + (b.bytes - a.bytes) * (millionths - a.millionths) / (b.millionths - a.millionths);
}

const Tables& Tables::get() {
  static const Tables tables{
      Quantiles({1183, 2270, 3033, 3377, 4085, 4798, 6055, 9637, 11561, 14695, 19832, 38729}),
      Quantiles({1, 234, 417, 629, 1065, 2006, 4334, 9914, 17600, 50642, 148583, 1068822}),
      Quantiles({301, 986, 1466, 2002, 3590, 6508, 12812, 24701, 37254, 90688, 310671, 954108}),
      Quantiles({706, 1038, 1580, 2034, 4401, 14512, 75111, 224507, 438863, 1566909, 3167339, 3563139}),
  };
  return tables;
}

const Profile* Profile::find(std::string_view name) {
  static const Profile profiles[] = {
      {"list",
       370'000,
       50'000,
       1,
       25'000'000,
       16384,
       {{"mean", 23'000, 500},
        {"p10", 5'200, 50},
        {"p50", 9'600, 50},
        {"p90", 28'000, 500},
        {"p99", 257'000, 500},
        {"p99.9", 1'700'000, 50'000},
        {"header share", 250, 5},
        {"body share", 360, 5},
        {"attachment share", 390, 5},
        {"share of the largest 1 %", 340, 5}}},
      {"office",
       600'000,
       250'000,
       2,
       25'000'000,
       4096,
       {{"mean", 106'000, 500},
        {"p10", 5'900, 50},
        {"p50", 13'000, 500},
        {"p90", 160'000, 5'000},
        {"p99", 2'200'000, 50'000},
        {"p99.9", 5'900'000, 50'000},
        {"header share", 50, 5},
        {"body share", 90, 5},
        {"attachment share", 850, 5},
        {"share of the largest 1 %", 350, 5}}},
  };
  for (const Profile& profile : profiles)
    if (profile.name == name) return &profile;
  return nullptr;
}

}  // namespace store
