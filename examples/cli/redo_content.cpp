#include "redo_content.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "text.hpp"

namespace cli {
namespace {

using restante::Bytes;
using restante::ByteView;
using restante::ContentReader;
using restante::ContentRef;
using restante::Result;
using restante::Status;

constexpr std::size_t kPieceBytes = 48u << 10;
constexpr std::size_t kLineBytes = 4096;

/// Hands out what can be read of the content, in pieces.
Status read_pieces(const RedoSource& source, const ContentRef& content,
                   const std::function<void(ByteView piece)>& each) {
  const auto reader = source.open_content(content);
  if (!reader.ok()) return reader.status();
  Bytes buffer(kPieceBytes);
  for (;;) {
    const Result<std::size_t> size = (*reader)->read(buffer);
    if (!size.ok()) return size.status();
    if (*size == 0) return {};
    each(ByteView(buffer).first(*size));
  }
}

/// Bytes as they come, handed out in lines.
class Lines {
 public:
  explicit Lines(const std::function<void(std::string_view)>& show) : show_(show) {}

  void add(ByteView bytes) {
    rest_ += restante::as_text(bytes);
    std::size_t begin = 0;
    for (;;) {
      const std::size_t end = rest_.find('\n', begin);
      const std::size_t length = std::min(end, rest_.size()) - begin;
      if (end == std::string::npos && length < kLineBytes) break;
      const std::size_t taken = std::min(length, kLineBytes);
      show(std::string_view(rest_).substr(begin, taken), taken == length);
      begin += taken + (taken == length && end != std::string::npos ? 1 : 0);
    }
    rest_.erase(0, begin);
  }
  void end() {
    if (!rest_.empty()) show(rest_, true);
    rest_.clear();
  }

 private:
  void show(std::string_view line, bool whole) const {
    // The line end of mail is no part of the line.
    if (whole && !line.empty() && line.back() == '\r') line.remove_suffix(1);
    show_(printable(line));
  }

  const std::function<void(std::string_view)>& show_;
  std::string rest_;
};

/// Base 64 of RFC 4648, in pieces.
class Base64 {
 public:
  void add(ByteView bytes) {
    for (const std::uint8_t byte : bytes) {
      held_ = held_ << 8 | byte;
      if (++count_ == 3) put(4);
    }
  }
  [[nodiscard]] std::string end() {
    if (count_ == 0) return std::move(text_);
    const std::size_t digits = count_ + 1;
    for (; count_ < 3; ++count_) held_ <<= 8;
    put(digits);
    return std::move(text_);
  }

 private:
  void put(std::size_t digits) {
    constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t i = 0; i < 4; ++i) text_ += i < digits ? kDigits[held_ >> (18 - 6 * i) & 63u] : '=';
    held_ = 0;
    count_ = 0;
  }

  std::string text_;
  std::uint32_t held_ = 0;
  std::size_t count_ = 0;
};

}  // namespace

std::vector<NamedContent> contents_of(const restante::Operation& operation) {
  std::vector<NamedContent> out;
  if (const auto* put = std::get_if<restante::MessagePut>(&operation)) {
    for (const restante::Message& message : put->messages)
      if (message.content)
        out.push_back({fmt::format("message {}/{}", printable(message.folder_id), printable(message.id)),
                       *message.content});
  } else if (const auto* item_put = std::get_if<restante::ItemPut>(&operation)) {
    const restante::Item& item = item_put->item;
    if (item.content)
      out.push_back({fmt::format("{} {}", printable(item.kind), printable(item.id)), *item.content});
  }
  return out;
}

void show_content(const RedoSource& source, const ContentRef& content,
                  const std::function<void(std::string_view)>& show) {
  Lines lines(show);
  const Status read = read_pieces(source, content, [&](ByteView piece) { lines.add(piece); });
  lines.end();
  if (!read.ok()) show(fmt::format("(cannot be read: {})", printable(read.message())));
}

Json json_of(const RedoSource& source, const NamedContent& named, bool bytes) {
  Json out{{"what", json_text(named.what)},
           {"digest", named.content.digest.to_string()},
           {"size", named.content.size}};
  if (!bytes) return out;
  Base64 text;
  const Status read = read_pieces(source, named.content, [&](ByteView piece) { text.add(piece); });
  out["base64"] = read.ok() ? Json(text.end()) : Json(nullptr);
  out["failure"] = json_of(read);
  return out;
}

}  // namespace cli
