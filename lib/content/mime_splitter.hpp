#pragma once
// Splits messages into pieces that other messages may have too. Streaming; no I/O of its own.
//
// The copies of one mail that lie in many mailboxes differ in the trace that each delivery puts on top; mails
// with one attachment differ in everything but that; one file is encoded in lines of 76 characters here and
// of 72 there. A splitter cuts where such messages begin to be equal:
//
//     header fields of the delivery   glue
//     rest of the header block        text; two where much trace stands on its top
//     body, or each part of one       text, or base64 where its lines are canonical (base64_lines.hpp)
//     boundary lines, part headers    glue where they are short, else text
//
// The pieces in their order, base64 encoded again, are exactly the message, whatever it is: a splitter looks
// for structure and relies on none. Base64 is known by the shape of its lines, not by what a header says of
// them, so attachments of attached messages, of cut off ones and of quotations are found, and what is
// irregular is text.
//
// Bounds: time is linear. A splitter holds at most `kMaxHeldBytes` of what it was fed and 64 KiB of what it
// decoded. A header block ends after 64 KiB, or where a line is no header field. Boundaries are followed 16
// deep and up to 200 characters. Behind 4,095 pieces all that follows is one more, text.

#include <restante/bytes.hpp>
#include <restante/status.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "content/base64_lines.hpp"

namespace restante::content {

/// How some bytes of a message are kept.
enum class PieceKind : std::uint8_t {
  /// What this message alone has, or what is too short to be worth sharing.
  glue,
  /// The header block without the trace of delivery; a body, or that of a part; anything else. Shared if
  /// equal.
  text,
  /// Canonical lines of base64, handed over decoded.
  base64,
};

/// Takes the pieces of messages. What a call answers other than success ends the splitting and comes out of
/// it.
class PieceSink {
 public:
  virtual ~PieceSink() = default;
  /// `shape` has a meaning for base64 only, and lacks whether the last line is ended.
  virtual Status begin(PieceKind kind, const Base64Shape& shape) = 0;
  /// Of the open piece; decoded for base64. Any number of calls, none with nothing. Valid during the call.
  virtual Status bytes(ByteView bytes) = 0;
  /// `last_line_ended` has a meaning for base64 only.
  virtual Status end(bool last_line_ended) = 0;
};

/// Text, and boundaries with part headers, that are shorter than this are glue: a piece of its own costs
/// about 100 bytes in recipes and indexes, and short text mostly compresses to little more.
inline constexpr std::size_t kMinTextPiece = 512;
/// Base64 lines that are fewer characters together stay in the text around them.
inline constexpr std::size_t kMinBase64Piece = 1024;
inline constexpr std::size_t kMaxPieces = 4096;
inline constexpr std::size_t kMaxHeldBytes = 16 * 1024;

/// One message after the other. One thread at a time.
class MimeSplitter {
 public:
  /// `sink` outlives the splitter.
  explicit MimeSplitter(PieceSink& sink) : sink_(sink) {}

  /// The next bytes of the message; any cut of it gives the same pieces. What is not decoded goes to the sink
  /// as views of these bytes, but for what was undecided at the end of the feed before.
  [[nodiscard]] Status feed(ByteView bytes);
  /// The message is complete, the next feed begins another one. After a failure, of this call or of `feed`,
  /// nothing more comes until this was called, which answers with that failure.
  [[nodiscard]] Status end();

  /// Bytes of the message that are held because nothing was decided on them. At most `kMaxHeldBytes`.
  [[nodiscard]] std::size_t held_bytes() const noexcept { return held_.size(); }

 private:
  enum class Place : std::uint8_t { message_header, part_header, body };
  /// What the line being read belongs to.
  enum class LineClass : std::uint8_t { delivery, separator, text };
  /// How far down the message's header block is: its last servers, those before, the sender's fields.
  enum class Top : std::uint8_t { delivery, trace, header };
  /// The sink's open piece: `loose` is text made of separators and what is short between them.
  enum class Open : std::uint8_t { none, glue, loose, text, base64 };
  enum class Ending : std::uint8_t { none, lf, crlf };
  struct Line {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    ByteView text;  // without its ending
    Ending ending = Ending::none;
    bool whole = true;  // not the beginning of one that is too long to be looked at
  };

  void reset();

  // Lines.
  void read(ByteView window, bool last);
  [[nodiscard]] bool next_line(bool last, Line& line);
  void read_long_line();
  void on_line(const Line& line);
  [[nodiscard]] ByteView view(std::uint64_t begin, std::uint64_t end) const noexcept;
  [[nodiscard]] std::uint64_t window_end() const noexcept { return window_begin_ + window_.size(); }

  // Structure.
  void on_header_line(const Line& line);
  void on_body_line(const Line& line);
  [[nodiscard]] LineClass begin_field(std::uint64_t begin, std::string_view name);
  void collect_content_type(const Line& line);
  void end_header(std::uint64_t position);
  [[nodiscard]] bool on_boundary(const Line& line);
  void take(LineClass line_class, std::uint64_t begin, std::uint64_t end);

  // Runs of base64 lines.
  [[nodiscard]] bool begin_run(const Line& line);
  [[nodiscard]] bool continue_run(const Line& line);
  void read_full_lines();
  void extend_run(std::uint64_t end, std::size_t decoded);
  void accept_run();
  void end_run();
  void put_decoded();

  // Pieces.
  void grow_text(std::uint64_t end);
  void grow_loose(std::uint64_t end);
  void close_text(std::uint64_t end);
  void close_loose(std::uint64_t end);
  void begin_piece(Open open);
  void end_piece();
  void put(std::uint64_t end);
  void put_decided();

  PieceSink& sink_;
  Status failure_;

  // Positions count from the beginning of the message.
  Bytes held_;  // [mark_, end of what was fed)
  ByteView window_;
  std::uint64_t window_begin_ = 0;
  std::uint64_t line_ = 0;     // where the next line begins
  std::uint64_t scanned_ = 0;  // it does not end before
  bool in_long_line_ = false;

  Place place_ = Place::message_header;
  LineClass line_class_ = LineClass::delivery;
  Top top_ = Top::delivery;
  std::size_t received_ = 0;
  std::uint64_t header_begin_ = 0;
  bool in_content_type_ = false;
  std::string content_type_;
  std::vector<std::string> boundaries_;  // the innermost is the last

  bool in_run_ = false;
  std::uint64_t run_begin_ = 0;
  std::uint64_t run_end_ = 0;
  Base64Shape run_shape_;
  Bytes decoded_;
  std::size_t decoded_size_ = 0;

  Open open_ = Open::none;
  std::size_t pieces_ = 0;
  bool rest_ = false;              // the last piece is open and takes everything
  std::uint64_t mark_ = 0;         // everything before was handed over
  std::uint64_t loose_begin_ = 0;  // behind the last piece, or the trace
  bool in_text_ = false;
  std::uint64_t text_begin_ = 0;
};

}  // namespace restante::content
