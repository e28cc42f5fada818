#pragma once
// mboxrd: messages behind each other, each behind a line "From ", with '>' before each line of it that would
// be taken for one. Pure.
//
//     From MAILER-DAEMON Sat Nov 14 22:13:20 2026
//     Subject: hello
//
//     >From here on it is fine.
//
// A line is any number of '>' and "From ": quoting puts one '>' more before it, so it can be taken back. A
// line ends with a line feed; what comes before, a carriage return too, belongs to the message. Behind a
// message stands a line feed if it does not end with one, and then an empty line; its exact size tells them
// apart from the message.

#include <restante/archive.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace restante::archive {

// "From MAILER-DAEMON Sat Nov 14 22:13:20 2026\n", in UTC.
[[nodiscard]] std::string from_line(const std::optional<Time>& date);

// Whether a line, without its end, begins a message in an mbox of any make: it has a time of day and a year.
[[nodiscard]] bool is_from_line(std::string_view line);
// The date of such a line; nothing if it cannot be understood. Zones are not looked at.
[[nodiscard]] std::optional<Time> date_of_from_line(std::string_view line);

// Quotes or unquotes a message that comes in pieces.
class MboxQuoting {
 public:
  enum class Direction { quote, unquote };
  explicit MboxQuoting(Direction direction) : direction_(direction) {}

  // Appends what `piece` becomes to `out`; the beginning of a line that is not decided yet is held back.
  void add(ByteView piece, Bytes& out);
  // What was held back. Quoting: with the end of the last line and the empty line behind the message.
  void end(Bytes& out);

 private:
  void add_mark(Bytes& out);
  void decide(Bytes& out);
  void flush(Bytes& out);

  Direction direction_;
  bool in_line_start_ = true;
  bool holds_mark_ = false;
  // How much of "From " was seen at the start of this line.
  std::size_t matched_ = 0;
  bool ends_with_line_feed_ = true;
};

}  // namespace restante::archive
