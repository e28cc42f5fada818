#pragma once
// The program's two streams: answers on stdout, what went wrong and how far it is on stderr.

#include <restante/status.hpp>

#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

class Console {
 public:
  /// With `--json`, stdout is for the one document and text for people is left out.
  void set_json(bool json) noexcept { json_ = json; }
  [[nodiscard]] bool json() const noexcept { return json_; }

  /// Text on stdout, with its line ends; shown at once.
  void text(std::string_view text);
  void line(std::string_view line);
  /// Bytes on stdout whatever the mode.
  void raw(std::string_view bytes);

  /// "restante: message" and "hint: …" on stderr.
  void error(const restante::Status& status);
  /// "restante: warning: …" on stderr; also kept for the document. Callable from any thread.
  void warn(std::string_view message);
  [[nodiscard]] std::vector<std::string> warnings() const;

  /// Columns of the terminal that stdout is, 0 if it is none.
  [[nodiscard]] std::size_t columns() const;
  /// Columns that a progress line may take, 0 where none is to be drawn.
  [[nodiscard]] std::size_t progress_columns() const;
  /// Draws over the last one; empty takes it away.
  void progress(std::string_view line);

  /// False once stdout did not take something: what is written further is lost.
  [[nodiscard]] bool is_read() const;
  /// Everything out; false if stdout could not take it all (a full disk, a closed pipe).
  [[nodiscard]] bool flush();

 private:
  void clear_progress();
  bool json_ = false;
  bool failed_ = false;
  bool drawn_ = false;
  mutable std::mutex mutex_;
  std::vector<std::string> warnings_;
};

}  // namespace cli
