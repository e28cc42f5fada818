#include "table.hpp"

#include <algorithm>

#include "text.hpp"

namespace cli {
namespace {

constexpr std::size_t kGap = 2;

std::string without_trailing_spaces(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::string Table::text(std::size_t columns, std::size_t indent) const {
  std::vector<std::size_t> widths;
  for (const Column& column : columns_) widths.push_back(columns_of(column.title));
  for (const std::vector<std::string>& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns_of(row[i]));
  std::size_t total = indent;
  for (const std::size_t width : widths) total += width + kGap;
  if (columns > 0 && total - kGap > columns) return stacked(indent);

  const auto line = [&](const auto& cell) {
    std::string out(indent, ' ');
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) out.append(kGap, ' ');
      out += columns_[i].align == Align::left ? padded(cell(i), widths[i]) : padded_left(cell(i), widths[i]);
    }
    return without_trailing_spaces(std::move(out)) + "\n";
  };
  std::string out = line([&](std::size_t i) { return columns_[i].title; });
  for (const std::vector<std::string>& row : rows_) out += line([&](std::size_t i) { return row[i]; });
  return out;
}

std::string Table::stacked(std::size_t indent) const {
  std::size_t titles = 0;
  for (const Column& column : columns_) titles = std::max(titles, columns_of(column.title));
  std::string out;
  for (const std::vector<std::string>& row : rows_) {
    if (!out.empty()) out += '\n';
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (row[i].empty()) continue;
      out += std::string(indent, ' ') + padded(columns_[i].title, titles) + std::string(kGap, ' ') + row[i] +
             "\n";
    }
  }
  return out;
}

}  // namespace cli
