#pragma once
// A table for people: columns as wide as they need be, or one field a line where the terminal is too narrow.

#include <cstddef>
#include <string>
#include <vector>

namespace cli {

class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// As many cells as there are columns.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }

  /// Lines with their ends, behind `indent` spaces; 0 `columns` for no limit.
  [[nodiscard]] std::string text(std::size_t columns, std::size_t indent = 0) const;

 private:
  [[nodiscard]] std::string stacked(std::size_t indent) const;
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace cli
