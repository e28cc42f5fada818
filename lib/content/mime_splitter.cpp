#include "content/mime_splitter.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace restante::content {
namespace {

/// Lines of which so much is not the end are known by their beginnings: no boundary and no base64 is so long.
constexpr std::size_t kMaxLine = 2048;
constexpr std::size_t kMaxHeaderBytes = 64 * 1024;
constexpr std::size_t kMaxContentType = 4096;
constexpr std::size_t kMaxBoundary = 200;
constexpr std::size_t kMaxDepth = 16;
/// What is taken from a feed to come to a decision about what was held before it.
constexpr std::size_t kJoinBytes = 4096;
constexpr std::size_t kDecodedBytes = 64 * 1024 - kBase64Slack;
constexpr std::size_t kMaxDecodedLine = kMaxBase64Width / 4 * 3;

// Undecided: loose bytes, text, a run and a line.
static_assert(2 * kMinTextPiece + kMinBase64Piece + kMaxBase64Width + 2 + kMaxLine + kJoinBytes <=
              kMaxHeldBytes);
static_assert(kMinBase64Piece + 2 * kMaxDecodedLine < kDecodedBytes);
static_assert(kMaxBase64Width + 2 < kMaxLine && kMaxBoundary + 8 < kMaxLine);

bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_case(std::string_view a, std::string_view lower_case) noexcept {
  return std::equal(a.begin(), a.end(), lower_case.begin(), lower_case.end(),
                    [](char x, char y) { return lower(x) == y; });
}

std::string_view without_blanks(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// The name of a header field; empty if the line is none.
std::string_view field_name(std::string_view line) noexcept {
  std::size_t end = 0;
  while (end < line.size() && line[end] > ' ' && line[end] != ':' && line[end] != 0x7f) ++end;
  std::size_t colon = end;
  while (colon < line.size() && is_blank(line[colon])) ++colon;
  return colon < line.size() && line[colon] == ':' ? line.substr(0, end) : std::string_view();
}

/// What the last servers write above a message, for each recipient another one. Below it stands what earlier
/// ones wrote, which is the same for all: measured on mail to two lists of one host, the copies differed in
/// the fields of delivery and in two of Received, and were equal in the third, in signatures and in what was
/// found of them.
constexpr std::array<std::string_view, 10> kDeliveryFields = {
    "delivered-to",    "delivery-date", "envelope-to",   "return-path",   "x-delivered-to",
    "x-envelope-from", "x-envelope-to", "x-original-to", "x-resolved-to", "x-sieve"};
/// Delivery, a filter that handed it on, and the one that took it from outside.
constexpr std::size_t kMaxDeliveryReceived = 3;

/// What else servers write above a message. Where so much of it stands that it is worth a piece, it gets one:
/// if it differs after all, the header itself is still shared.
constexpr std::array<std::string_view, 10> kTraceFields = {"arc-authentication-results",
                                                           "arc-message-signature",
                                                           "arc-seal",
                                                           "authentication-results",
                                                           "dkim-filter",
                                                           "dkim-signature",
                                                           "received",
                                                           "received-spf",
                                                           "x-google-dkim-signature",
                                                           "x-received"};
constexpr std::size_t kMinTracePiece = 1024;

template <std::size_t kCount>
bool is_one_of(std::string_view name, const std::array<std::string_view, kCount>& fields) noexcept {
  return std::any_of(fields.begin(), fields.end(),
                     [&](std::string_view field) { return equal_ignoring_case(name, field); });
}

/// What stands above a message in a mailbox file.
bool is_mailbox_line(std::string_view line) noexcept {
  return line.starts_with("From ") || line.starts_with(">From ");
}

/// The value of a parameter, which `text` begins with; what follows it stays in `text`.
std::string take_value(std::string_view& text) {
  std::string value;
  if (!text.starts_with('"')) {
    const std::size_t end = std::min(text.find_first_of("; \t"), text.size());
    value = text.substr(0, end);
    text.remove_prefix(end);
    return value;
  }
  std::size_t i = 1;
  for (; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    value.push_back(text[i]);
  }
  text.remove_prefix(std::min(i + 1, text.size()));
  return value;
}

/// The boundary of a multipart (RFC 2046 §5.1.1), from the value of its Content-Type.
std::optional<std::string> boundary_of(std::string_view content_type) {
  constexpr std::string_view kMultipart = "multipart/";
  content_type = without_blanks(content_type);
  if (!equal_ignoring_case(content_type.substr(0, kMultipart.size()), kMultipart)) return std::nullopt;
  while (true) {
    const std::size_t separator = content_type.find(';');
    if (separator == std::string_view::npos) return std::nullopt;
    content_type = without_blanks(content_type.substr(separator + 1));
    const std::size_t equals = content_type.find_first_of("=;");
    if (equals == std::string_view::npos) return std::nullopt;
    if (content_type[equals] == ';') continue;
    const std::string_view name = without_blanks(content_type.substr(0, equals));
    content_type = without_blanks(content_type.substr(equals + 1));
    std::string value = take_value(content_type);
    if (!equal_ignoring_case(name, "boundary")) continue;
    value.resize(value.find_last_not_of(" \t") + 1);
    if (value.empty() || value.size() > kMaxBoundary) return std::nullopt;
    return value;
  }
}

enum class Delimiter { none, opening, closing };

Delimiter delimiter_of(std::string_view line, std::string_view boundary) noexcept {
  line.remove_prefix(2);  // two hyphens
  if (!line.starts_with(boundary)) return Delimiter::none;
  line.remove_prefix(boundary.size());
  const bool closing = line.starts_with("--");
  if (closing) line.remove_prefix(2);
  if (!without_blanks(line).empty()) return Delimiter::none;
  return closing ? Delimiter::closing : Delimiter::opening;
}

}  // namespace

Status MimeSplitter::feed(ByteView bytes) {
  while (!bytes.empty() && failure_.ok()) {
    if (held_.empty()) {
      read(bytes, false);
      const ByteView left = view(mark_, window_end());
      held_.assign(left.begin(), left.end());
      window_begin_ = mark_;
      break;
    }
    const std::size_t before = held_.size();
    const std::size_t joined = std::min(bytes.size(), kJoinBytes);
    held_.insert(held_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(joined));
    read(held_, false);
    const auto done = static_cast<std::size_t>(mark_ - window_begin_);
    window_begin_ = mark_;
    if (done >= before) {
      held_.clear();
      bytes = bytes.subspan(done - before);
    } else {
      held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(done));
      bytes = bytes.subspan(joined);
    }
  }
  return failure_;
}

Status MimeSplitter::end() {
  if (failure_.ok()) {
    read(held_, true);
    if (in_run_) end_run();
    close_text(line_);
    close_loose(line_);
    if (rest_) end_piece();
  }
  const Status status = failure_;
  reset();
  return status;
}

// Everything but the memory, which serves the next message.
void MimeSplitter::reset() {
  failure_ = Status();
  held_.clear();
  window_ = {};
  window_begin_ = line_ = scanned_ = header_begin_ = mark_ = loose_begin_ = text_begin_ = 0;
  in_long_line_ = in_content_type_ = in_run_ = rest_ = in_text_ = false;
  place_ = Place::message_header;
  line_class_ = LineClass::delivery;
  top_ = Top::delivery;
  received_ = 0;
  content_type_.clear();
  boundaries_.clear();
  decoded_size_ = 0;
  open_ = Open::none;
  pieces_ = 0;
}

// --- Lines ---

ByteView MimeSplitter::view(std::uint64_t begin, std::uint64_t end) const noexcept {
  return window_.subspan(static_cast<std::size_t>(begin - window_begin_),
                         static_cast<std::size_t>(end - begin));
}

// Reads what of the window can be decided, which begins at `mark_`, and hands it over.
void MimeSplitter::read(ByteView window, bool last) {
  window_ = window;
  Line line;
  while (failure_.ok() && line_ < window_end()) {
    if (rest_) {
      line_ = window_end();
    } else if (in_long_line_) {
      read_long_line();
    } else {
      if (open_ == Open::base64) read_full_lines();
      if (line_ == window_end() || !next_line(last, line)) break;
      on_line(line);
    }
  }
  put_decided();
}

// False if the window does not hold the end of the line.
bool MimeSplitter::next_line(bool last, Line& line) {
  const std::uint64_t limit = std::min<std::uint64_t>(window_end(), line_ + kMaxLine);
  scanned_ = std::max(scanned_, line_);
  const ByteView unread = view(scanned_, limit);
  const void* const found = unread.empty() ? nullptr : std::memchr(unread.data(), '\n', unread.size());
  if (found == nullptr && limit - line_ < kMaxLine && !last) {
    scanned_ = limit;
    return false;
  }
  line.begin = line_;
  line.end = found == nullptr
                 ? limit
                 : scanned_ +
                       static_cast<std::uint64_t>(static_cast<const std::uint8_t*>(found) - unread.data()) +
                       1;
  line.whole = found != nullptr || limit - line_ < kMaxLine;
  line.text = view(line.begin, line.end);
  line.ending = Ending::none;
  if (found != nullptr) {
    line.text = line.text.first(line.text.size() - 1);
    line.ending = Ending::lf;
    if (!line.text.empty() && line.text.back() == '\r') {
      line.text = line.text.first(line.text.size() - 1);
      line.ending = Ending::crlf;
    }
  }
  return true;
}

void MimeSplitter::on_line(const Line& line) {
  line_ = line.end;
  in_long_line_ = !line.whole;
  if (place_ == Place::body) {
    on_body_line(line);
  } else {
    on_header_line(line);
  }
}

// The rest of a line that is too long to be looked at is what its beginning was.
void MimeSplitter::read_long_line() {
  std::uint64_t limit = window_end();
  if (place_ != Place::body) limit = std::min<std::uint64_t>(limit, header_begin_ + kMaxHeaderBytes);
  const ByteView unread = view(line_, limit);
  const void* const found = unread.empty() ? nullptr : std::memchr(unread.data(), '\n', unread.size());
  const std::uint64_t begin = line_;
  line_ = limit;
  if (found != nullptr) {
    line_ = begin + static_cast<std::uint64_t>(static_cast<const std::uint8_t*>(found) - unread.data()) + 1;
    in_long_line_ = false;
  }
  take(line_class_, begin, line_);
  if (place_ != Place::body && line_ - header_begin_ >= kMaxHeaderBytes) {
    end_header(line_);
    line_class_ = LineClass::text;
  }
}

// --- Structure ---

void MimeSplitter::on_header_line(const Line& line) {
  if (place_ == Place::part_header && on_boundary(line)) return;
  const std::string_view text = as_text(line.text);
  const bool first = line.begin == header_begin_;
  const std::string_view name = field_name(text);
  const bool folded = !first && !text.empty() && is_blank(text.front());
  const bool mailbox_line = first && place_ == Place::message_header && is_mailbox_line(text);
  if (line.end - header_begin_ > kMaxHeaderBytes ||
      (name.empty() && !text.empty() && !folded && !mailbox_line)) {
    end_header(line.begin);
    on_body_line(line);
    return;
  }
  if (!folded) {
    line_class_ = mailbox_line ? LineClass::delivery : begin_field(line.begin, name);
    in_content_type_ = content_type_.empty() && equal_ignoring_case(name, "content-type");
  }
  if (in_content_type_) collect_content_type(line);
  take(line_class_, line.begin, line.end);
  if (text.empty()) end_header(line.end);
}

MimeSplitter::LineClass MimeSplitter::begin_field(std::uint64_t begin, std::string_view name) {
  if (place_ == Place::part_header) return LineClass::separator;
  if (top_ == Top::delivery) {
    const bool received = equal_ignoring_case(name, "received") && received_ < kMaxDeliveryReceived;
    received_ += received ? 1 : 0;
    if (received || is_one_of(name, kDeliveryFields)) return LineClass::delivery;
    top_ = Top::trace;
  }
  if (top_ == Top::trace && !is_one_of(name, kTraceFields)) {
    top_ = Top::header;
    if (in_text_ && begin - text_begin_ >= kMinTracePiece) close_text(begin);
  }
  return LineClass::text;
}

void MimeSplitter::collect_content_type(const Line& line) {
  std::string_view text = as_text(line.text);
  if (content_type_.empty()) {
    text.remove_prefix(text.find(':') + 1);
    content_type_ = ' ';
  }
  content_type_ += text.substr(0, kMaxContentType - content_type_.size());
}

void MimeSplitter::end_header(std::uint64_t position) {
  if (place_ == Place::message_header) close_text(position);
  place_ = Place::body;
  std::optional<std::string> boundary = boundary_of(content_type_);
  if (boundary && boundaries_.size() < kMaxDepth) boundaries_.push_back(*std::move(boundary));
  content_type_.clear();
  in_content_type_ = false;
}

void MimeSplitter::on_body_line(const Line& line) {
  if (in_run_) {
    if (continue_run(line)) return;
    end_run();
  }
  if (on_boundary(line) || begin_run(line)) return;
  take(LineClass::text, line.begin, line.end);
}

// If the line is a boundary, it and the header that follows it are a separator.
bool MimeSplitter::on_boundary(const Line& line) {
  const std::string_view text = as_text(line.text);
  if (boundaries_.empty() || !line.whole || !text.starts_with("--")) return false;
  for (std::size_t depth = boundaries_.size(); depth-- > 0;) {
    const Delimiter delimiter = delimiter_of(text, boundaries_[depth]);
    if (delimiter == Delimiter::none) continue;
    const bool closing = delimiter == Delimiter::closing;
    boundaries_.resize(closing ? depth : depth + 1);
    close_text(line.begin);
    take(LineClass::separator, line.begin, line.end);
    place_ = closing ? Place::body : Place::part_header;
    header_begin_ = line.end;
    content_type_.clear();
    in_content_type_ = false;
    return true;
  }
  return false;
}

void MimeSplitter::take(LineClass line_class, std::uint64_t begin, std::uint64_t end) {
  line_class_ = line_class;
  switch (line_class) {
    case LineClass::delivery:
      if (open_ == Open::none) begin_piece(Open::glue);
      loose_begin_ = end;
      break;
    case LineClass::separator: grow_loose(end); break;
    case LineClass::text:
      if (!in_text_) {
        in_text_ = true;
        text_begin_ = begin;
      }
      grow_text(end);
      break;
  }
}

// --- Runs of base64 lines ---

bool MimeSplitter::begin_run(const Line& line) {
  const std::size_t width = line.text.size();
  const Base64Shape shape{.width = static_cast<std::uint32_t>(width),
                          .crlf = line.ending == Ending::crlf,
                          .last_line_ended = true};
  if (!line.whole || line.ending == Ending::none || !is_sound(shape)) return false;
  if (decoded_.empty()) decoded_.resize(kDecodedBytes + kBase64Slack);
  if (!decode_base64(line.text, decoded_.data())) return false;
  in_run_ = true;
  run_begin_ = line.begin;
  run_shape_ = shape;
  decoded_size_ = 0;
  extend_run(line.end, width / 4 * 3);
  return true;
}

// Whether the line belongs to the run, which ends with it if it is shorter, padded or not ended.
bool MimeSplitter::continue_run(const Line& line) {
  const std::size_t size = line.text.size();
  const Ending ending = run_shape_.crlf ? Ending::crlf : Ending::lf;
  if (!line.whole || size > run_shape_.width || (line.ending != ending && line.ending != Ending::none))
    return false;
  const std::size_t decoded = decode_last_base64(line.text, decoded_.data() + decoded_size_);
  if (decoded == 0) return false;
  run_shape_.last_line_ended = line.ending != Ending::none;
  extend_run(line.end, decoded);
  if (in_run_ && (decoded != run_shape_.width / 4 * 3 || line.ending == Ending::none)) end_run();
  return true;
}

// All lines of the open piece that are full and in the window: their ends need not be looked for.
void MimeSplitter::read_full_lines() {
  const std::size_t width = run_shape_.width;
  const std::size_t step = width + (run_shape_.crlf ? 2 : 1);
  while (window_end() - line_ >= step && failure_.ok()) {
    const ByteView line = view(line_, line_ + step);
    if (line[step - 1] != '\n' || (run_shape_.crlf && line[width] != '\r') ||
        !decode_base64(line.first(width), decoded_.data() + decoded_size_)) {
      return;
    }
    line_ += step;
    extend_run(line_, width / 4 * 3);
  }
}

void MimeSplitter::extend_run(std::uint64_t end, std::size_t decoded) {
  run_end_ = end;
  decoded_size_ += decoded;
  if (open_ != Open::base64 && run_end_ - run_begin_ >= kMinBase64Piece) accept_run();
  if (open_ != Open::base64) return;
  mark_ = end;
  if (decoded_size_ + kMaxDecodedLine > kDecodedBytes) put_decoded();
}

void MimeSplitter::accept_run() {
  close_text(run_begin_);
  close_loose(run_begin_);
  if (!rest_) begin_piece(Open::base64);
  if (rest_) in_run_ = false;
}

void MimeSplitter::end_run() {
  in_run_ = false;
  if (open_ == Open::base64) {
    put_decoded();
    end_piece();
    loose_begin_ = run_end_;
  } else {
    take(LineClass::text, run_begin_, run_end_);
  }
}

void MimeSplitter::put_decoded() {
  if (decoded_size_ > 0 && failure_.ok()) failure_ = sink_.bytes(ByteView(decoded_).first(decoded_size_));
  decoded_size_ = 0;
}

// --- Pieces ---
//
// Behind the last piece stand loose bytes, [loose_begin_, text_begin_), and text, [text_begin_, …). Text that
// grows long enough is a piece, and what is loose before it is glue. Text that does not is loose when it
// ends. When as much is loose as makes a text, it is one.

void MimeSplitter::grow_text(std::uint64_t end) {
  if (rest_ || open_ == Open::text || end - text_begin_ < kMinTextPiece) return;
  close_loose(text_begin_);
  if (!rest_) begin_piece(Open::text);
}

void MimeSplitter::grow_loose(std::uint64_t end) {
  if (rest_ || open_ == Open::loose || end - loose_begin_ < kMinTextPiece) return;
  if (open_ == Open::glue) {
    put(loose_begin_);
    end_piece();
  }
  begin_piece(Open::loose);
}

void MimeSplitter::close_text(std::uint64_t end) {
  if (!in_text_) return;
  grow_text(end);
  in_text_ = false;
  if (rest_) return;
  if (open_ != Open::text) {
    grow_loose(end);
    return;
  }
  put(end);
  end_piece();
  loose_begin_ = end;
}

void MimeSplitter::close_loose(std::uint64_t end) {
  if (!rest_ && open_ == Open::none) {
    if (mark_ == end) return;
    begin_piece(Open::glue);
  }
  put(end);
  if (!rest_) end_piece();
}

void MimeSplitter::begin_piece(Open open) {
  if (++pieces_ == kMaxPieces) {
    rest_ = true;
    open = Open::text;
  }
  open_ = open;
  const PieceKind kind = open == Open::glue     ? PieceKind::glue
                         : open == Open::base64 ? PieceKind::base64
                                                : PieceKind::text;
  if (failure_.ok()) failure_ = sink_.begin(kind, run_shape_);
}

void MimeSplitter::end_piece() {
  if (failure_.ok()) failure_ = sink_.end(run_shape_.last_line_ended);
  open_ = Open::none;
}

void MimeSplitter::put(std::uint64_t end) {
  if (end == mark_) return;
  if (failure_.ok()) failure_ = sink_.bytes(view(mark_, end));
  mark_ = end;
}

// Hands over what of the window belongs to the open piece for certain.
void MimeSplitter::put_decided() {
  const std::uint64_t read = in_run_ ? run_begin_ : line_;
  switch (open_) {
    case Open::glue: put(loose_begin_); break;
    case Open::loose: put(in_text_ ? text_begin_ : read); break;
    case Open::text: put(rest_ ? line_ : read); break;
    case Open::none:
    case Open::base64: break;
  }
}

}  // namespace restante::content
