#include "content/mime_splitter.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "pieces.hpp"

namespace {

using namespace restante;
using namespace restante::content;
using restante::test::joined;
using restante::test::Piece;
using restante::test::PieceCollector;
using restante::test::Random;
using restante::test::split;

std::string lines_of(ByteView decoded, const Base64Shape& shape) {
  Bytes lines;
  encode_base64_lines(decoded, shape, lines);
  return std::string(as_text(lines));
}

std::string with_crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out.push_back('\r');
    out.push_back(c);
  }
  return out;
}

std::string prose(Random& random, std::size_t size) {
  std::string text;
  while (text.size() < size) {
    const std::uint64_t words = random.between(1, 14);
    for (std::uint64_t i = 0; i < words; ++i) text += random.text(random.between(1, 9)) + ' ';
    text.back() = '\n';
  }
  return text;
}

std::vector<PieceKind> kinds(const std::vector<Piece>& pieces) {
  std::vector<PieceKind> all;
  for (const Piece& piece : pieces) all.push_back(piece.kind);
  return all;
}

std::set<std::pair<PieceKind, Bytes>> shared(const std::vector<Piece>& pieces) {
  std::set<std::pair<PieceKind, Bytes>> all;
  for (const Piece& piece : pieces) {
    if (piece.kind != PieceKind::glue) all.emplace(piece.kind, piece.bytes);
  }
  return all;
}

bool has_piece(const std::vector<Piece>& pieces, PieceKind kind, std::string_view bytes) {
  return std::any_of(pieces.begin(), pieces.end(),
                     [&](const Piece& piece) { return piece.kind == kind && as_text(piece.bytes) == bytes; });
}

// Feeds steps of 1 to `greatest` bytes and watches what is held.
std::vector<Piece> split_in_steps(std::string_view message, Random& random, std::size_t greatest) {
  PieceCollector sink;
  MimeSplitter splitter(sink);
  while (!message.empty()) {
    const auto step =
        static_cast<std::size_t>(std::min<std::uint64_t>(message.size(), random.between(1, greatest)));
    REQUIRE_OK(splitter.feed(as_bytes(message.substr(0, step))));
    REQUIRE(splitter.held_bytes() <= kMaxHeldBytes);
    message.remove_prefix(step);
  }
  REQUIRE_OK(splitter.end());
  return sink.pieces;
}

void require_exact(std::string_view message) {
  const std::vector<Piece> pieces = split(message);
  if (joined(pieces) != message) FAIL("not exact: " << restante::to_hex(as_bytes(message)));
  REQUIRE(pieces.size() <= kMaxPieces);
  for (const Piece& piece : pieces) {
    REQUIRE_FALSE(piece.bytes.empty());
    if (piece.kind == PieceKind::base64) REQUIRE(is_sound(piece.shape));
  }
}

// A tree of parts with everything that is odd in it.
class OddMessages {
 public:
  explicit OddMessages(std::string_view name) : random_(name) {}

  std::string message() {
    std::string text;
    if (random_.one_in(4)) text += "From someone Mon Jan  1 00:00:00 2001\n";
    if (!random_.one_in(4)) text += trace();
    text += "Subject: " + random_.text(random_.between(0, 2000)) + "\nX-Folded: a\n\tb\n c\n";
    if (random_.one_in(10)) text += "no header field\n";
    text += part(0);
    if (random_.one_in(3)) text = with_crlf(text);
    if (random_.one_in(5)) text.resize(random_.below(text.size() + 1));
    return text;
  }

  std::string mutated(std::string text) {
    const std::uint64_t times = random_.between(1, 5);
    for (std::uint64_t i = 0; i < times && !text.empty(); ++i) {
      const std::size_t at = random_.below(text.size());
      const std::size_t size = random_.between(1, 200);
      switch (random_.below(5)) {
        case 0: text[at] = static_cast<char>(random_.below(256)); break;
        case 1: text.erase(at, size); break;
        case 2: text.insert(at, text.substr(random_.below(text.size()), size)); break;
        case 3: text.insert(at, std::string_view("\r\n\0--=\n", 7).substr(random_.below(7), 1)); break;
        case 4: text.insert(at, size, random_.one_in(2) ? '\n' : 'A'); break;
      }
    }
    return text;
  }

 private:
  std::string trace() {
    return "Return-Path: <" + random_.text(8) + "@example.com>\nDelivered-To: " + random_.text(6) +
           "@example.org\nReceived: from " + random_.text(10) + "\n\tby " + random_.text(200) + "; date\n";
  }

  std::string part(int depth) {
    switch (random_.below(depth > 5 ? 5 : 8)) {
      case 0: return "\n" + prose(random_, random_.between(0, 3000));
      case 1: return "\n" + std::string(random_.between(0, 5000), random_.one_in(2) ? 'A' : '\0') + "\n";
      case 2: return "Content-Transfer-Encoding: base64\n\n" + base64();
      case 3: return "\n" + base64() + prose(random_, random_.between(0, 900)) + base64();
      case 4: return "";
      case 5: return "Content-Type: message/rfc822\n\n" + trace() + part(depth + 1);
      default: return multipart(depth);
    }
  }

  std::string base64() {
    Base64Shape shape{4 * static_cast<std::uint32_t>(random_.between(4, 25)), random_.one_in(3),
                      !random_.one_in(5)};
    std::string lines = lines_of(random_.bytes(random_.between(1, 6000)), shape);
    if (random_.one_in(6)) lines.insert(random_.below(lines.size()), random_.one_in(2) ? "\n" : " ");
    return lines;
  }

  std::string multipart(int depth) {
    const std::string boundary =
        random_.one_in(20) ? std::string(random_.between(190, 210), 'b') : random_.text(10);
    std::string text = "Content-Type: MULTIPART/mixed; charset=x;\n boundary=";
    text += random_.one_in(2) ? boundary : '"' + boundary + '"';
    text += "\n\npreamble\n";
    const std::uint64_t parts = random_.below(5);
    for (std::uint64_t i = 0; i < parts; ++i) {
      text += "--" + boundary + (random_.one_in(8) ? " \t\n" : "\n") +
              "Content-Description: " + random_.text(20) + "\n" + part(depth + 1) + "\n";
    }
    if (!random_.one_in(4)) text += "--" + boundary + "--\nepilogue\n";
    return text;
  }

  Random random_;
};

}  // namespace

TEST_CASE("splitter: a mail with an attachment becomes trace, header, body, separators and file",
          "[content]") {
  Random random("splitter mail");
  const std::string trace =
      "Return-Path: <a@example.com>\nDelivered-To: b@example.com\nReceived: from x\n\tby y; date\n";
  const std::string header = "From: a@example.com\nSubject: " + random.text(600) +
                             "\nContent-Type: multipart/mixed; boundary=\"limit\"\n\n";
  const std::string separator = "--limit\nContent-Type: text/plain\n\n";
  const std::string body = prose(random, 2000) + "\n";
  const std::string second = "--limit\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n";
  const Bytes file = random.bytes(5000);
  const std::string last = "\n--limit--\n";
  const std::string message =
      trace + header + separator + body + second + lines_of(file, {76, false, true}) + last;
  const std::vector<Piece> pieces = split(message);
  const auto piece = [](PieceKind kind, std::string_view text) {
    return Piece{kind, Bytes(as_bytes(text).begin(), as_bytes(text).end()), {}};
  };
  const std::vector<Piece> expected = {
      piece(PieceKind::glue, trace),     piece(PieceKind::text, header),
      piece(PieceKind::glue, separator), piece(PieceKind::text, body),
      piece(PieceKind::glue, second),    {PieceKind::base64, file, {76, false, true}},
      piece(PieceKind::glue, last)};
  REQUIRE(kinds(pieces) == kinds(expected));
  REQUIRE(pieces == expected);
  REQUIRE(joined(pieces) == message);
}

TEST_CASE("splitter: an empty message has no pieces, a short one is glue", "[content]") {
  REQUIRE(split("").empty());
  for (const char* message : {"\n", "x", "Subject: hello\n\nbody\n", "\r\n\r\n", "--\n"}) {
    const std::vector<Piece> pieces = split(message);
    REQUIRE(kinds(pieces) == std::vector{PieceKind::glue});
    REQUIRE(joined(pieces) == message);
  }
}

TEST_CASE("splitter: one after the other, messages do not depend on each other", "[content]") {
  OddMessages odd("splitter reuse");
  PieceCollector sink;
  MimeSplitter splitter(sink);
  for (int i = 0; i < 50; ++i) {
    const std::string message = odd.message();
    sink.pieces.clear();
    REQUIRE_OK(splitter.feed(as_bytes(message)));
    REQUIRE_OK(splitter.end());
    REQUIRE(sink.pieces == split(message));
  }
}

TEST_CASE("splitter: whatever a message is, its pieces are exactly it", "[content]") {
  OddMessages odd("splitter exact");
  const int count = restante::test::long_tests() ? 5000 : 300;
  for (int i = 0; i < count; ++i) {
    const std::string message = odd.message();
    require_exact(message);
    require_exact(odd.mutated(message));
  }
}

TEST_CASE("splitter: pieces do not depend on how the message is fed", "[content]") {
  OddMessages odd("splitter cuts");
  Random random("splitter steps");
  const int count = restante::test::long_tests() ? 1000 : 60;
  for (int i = 0; i < count; ++i) {
    const std::string message = i % 2 == 0 ? odd.message() : odd.mutated(odd.message());
    const std::vector<Piece> expected = split(message);
    for (const std::size_t greatest : {std::size_t{1}, std::size_t{100}, std::size_t{6000}}) {
      REQUIRE(split_in_steps(message, random, greatest) == expected);
    }
  }
}

TEST_CASE("splitter: copies of one mail share everything but their traces", "[content]") {
  Random random("splitter copies");
  for (const bool crlf : {false, true}) {
    const std::string mail = "From: a@example.com\nReceived: not a trace here\nSubject: " + random.text(600) +
                             "\nContent-Type: multipart/mixed; boundary=b1\n\n--b1\n\n" +
                             prose(random, 1000) + "--b1\nContent-Transfer-Encoding: base64\n\n" +
                             lines_of(random.bytes(3000), {72, false, true}) + "--b1--\n";
    std::vector<std::vector<Piece>> copies;
    for (const char* name : {"alice", "bob"}) {
      const std::string trace = std::string("Return-Path: <x@example.com>\nX-Original-To: ") + name +
                                "@example.com\nDelivered-To: " + name +
                                "@example.com\nReceived: from a\n\tby b with LMTP id " + random.text(20) +
                                "\n";
      copies.push_back(split(crlf ? with_crlf(trace + mail) : trace + mail));
      REQUIRE(copies.back().front().kind == PieceKind::glue);
      REQUIRE(as_text(copies.back().front().bytes) == (crlf ? with_crlf(trace) : trace));
    }
    REQUIRE(shared(copies[0]).size() == 3);
    REQUIRE(shared(copies[0]) == shared(copies[1]));
    REQUIRE(copies[0].size() == copies[1].size());
    for (std::size_t i = 1; i < copies[0].size(); ++i) REQUIRE(copies[0][i] == copies[1][i]);
  }
}

TEST_CASE("splitter: the trace below that of delivery is shared, and if it differs the header still is",
          "[content]") {
  Random random("splitter trace");
  const std::string delivery =
      "From someone Mon Jan  1 00:00:00 2001\nRETURN-PATH: <a@example.com>\nReceived: 1\nReceived : 2\n\tfor "
      "x\n"
      "Delivered-To: b\nreceived: 3\nX-Original-To: c\n";
  const std::string trace = "Received: 4\nDelivered-To: d\nDKIM-Signature: " + random.text(500) +
                            "\nAuthentication-Results: x\n\t" + random.text(700) + "\n";
  const std::string header = "From: a@example.com\nSubject: " + random.text(600) + "\nReceived: not here\n\n";
  const auto texts = [](const std::vector<Piece>& pieces) {
    std::vector<std::string> all;
    for (const Piece& piece : pieces) {
      REQUIRE(piece.kind == (all.empty() ? PieceKind::glue : PieceKind::text));
      all.emplace_back(as_text(piece.bytes));
    }
    return all;
  };
  // "Delivered-To" ends the trace here: what follows is the header.
  const std::string above = "Received: 4\nReceived-SPF: " + random.text(1100) + "\n";
  REQUIRE(texts(split(delivery + above + header)) == std::vector{delivery, above, header});
  REQUIRE(texts(split(delivery + trace + header)) == std::vector{delivery, trace + header});
  const std::string short_trace = "Received: 4\nReceived-SPF: " + random.text(900) + "\n";
  REQUIRE(texts(split(delivery + short_trace + header)) == std::vector{delivery, short_trace + header});
}

TEST_CASE("splitter: an attachment is one thing, whatever its lines, its name and its boundaries",
          "[content]") {
  Random random("splitter widths");
  const Bytes file = random.bytes(10'000);
  std::set<std::string> messages;
  for (const std::uint32_t width : {60u, 64u, 72u, 76u, 996u}) {
    for (const bool crlf : {false, true}) {
      const std::string boundary = random.text(12);
      std::string message = "Content-Type: multipart/mixed; boundary=" + boundary + "\n\n--" + boundary +
                            "\nContent-Disposition: attachment; filename=" + random.text(8) + "\n\n" +
                            lines_of(file, {width, false, true}) + "\n--" + boundary + "--\n";
      if (crlf) message = with_crlf(message);
      const std::vector<Piece> pieces = split(message);
      REQUIRE(kinds(pieces) == std::vector{PieceKind::glue, PieceKind::base64, PieceKind::glue});
      REQUIRE(pieces[1].bytes == file);
      REQUIRE(pieces[1].shape == Base64Shape{width, crlf, true});
      REQUIRE(joined(pieces) == message);
      REQUIRE(messages.insert(message).second);
    }
  }
}

TEST_CASE("splitter: a body is one thing in whatever parts it stands", "[content]") {
  Random random("splitter bodies");
  const std::string body = prose(random, 1500);
  for (const char* type :
       {"multipart/mixed; boundary=b", "Multipart/Alternative;\n\tcharset=\"a;b=c\"; BOUNDARY=\"b\"",
        "multipart/x; boundary = \"b\" ; y=z", "multipart/x;; boundary=\"\\b\""}) {
    const std::string message =
        std::string("Content-Type: ") + type + "\n\n--b\n\n" + body + "--b \nX: y\n\n" + body + "--b--\n";
    const std::vector<Piece> pieces = split(message);
    INFO(type);
    REQUIRE(kinds(pieces) ==
            std::vector{PieceKind::glue, PieceKind::text, PieceKind::glue, PieceKind::text, PieceKind::glue});
    REQUIRE(pieces[1] == pieces[3]);
    REQUIRE(as_text(pieces[1].bytes) == body);
    REQUIRE(joined(pieces) == message);
  }
}

TEST_CASE("splitter: what is no boundary divides nothing", "[content]") {
  Random random("splitter no boundary");
  const std::string body = prose(random, 1500);
  const std::string long_boundary(201, 'b');
  for (const auto& [type, line] : std::vector<std::pair<std::string, std::string>>{
           {"text/plain; boundary=b", "--b"},
           {"multipart/mixed; boundary=b", "--bb"},
           {"multipart/mixed; boundary=b", "-b"},
           {"multipart/mixed; boundary=b", " --b"},
           {"multipart/mixed; boundary=b", "--b-"},
           {"multipart/mixed; boundary=b", "--b x"},
           {"multipart/mixed; boundary=\"\"", "--"},
           {"multipart/mixed; other=\"boundary=b\"", "--b"},
           {"multipart/mixed; boundary=" + long_boundary, "--" + long_boundary}}) {
    const std::string rest = body + line + "\n" + body;
    const std::vector<Piece> pieces = split("Content-Type: " + type + "\n\n" + rest);
    INFO(type << ' ' << line);
    REQUIRE(kinds(pieces) == std::vector{PieceKind::glue, PieceKind::text});
    REQUIRE(as_text(pieces[1].bytes) == rest);
  }
}

TEST_CASE("splitter: lines that are not canonical stay what they are, those around them are decoded",
          "[content]") {
  Random random("splitter irregular");
  const Bytes file = random.bytes(57 * 100);
  const std::string regular = lines_of(file, {76, false, true});
  const std::size_t middle = 77 * 50;
  const auto decoded = [](const std::vector<Piece>& pieces) {
    Bytes all;
    for (const Piece& piece : pieces) {
      if (piece.kind == PieceKind::base64) all.insert(all.end(), piece.bytes.begin(), piece.bytes.end());
    }
    return all.size();
  };
  const auto changed = [&](std::size_t at, std::size_t size, std::string_view by) {
    std::string lines = regular;
    return "\n" + lines.replace(at, size, by);
  };
  // The body, and how many bytes of the file are decoded.
  const std::vector<std::pair<std::string, std::size_t>> cases = {
      {changed(0, 0, ""), 5700},
      {changed(middle, 0, "\n"), 5700},              // a blank line
      {changed(middle + 76, 1, " \n"), 99 * 57},     // a space at the end
      {changed(middle + 76, 1, "\r\n"), 99 * 57},    // another line ending
      {changed(middle + 4, 72, ""), 5700 - 54},      // a short line
      {changed(middle + 4, 71, ""), 99 * 57},        // no multiple of four
      {changed(middle + 3, 1, "-"), 99 * 57},        // no character
      {changed(middle + 72, 4, "TR=="), 99 * 57},    // bits under the padding
      {changed(middle + 72, 4, "TQ=="), 5700 - 2},   // padding in the middle
      {changed(77 * 99 + 76, 1, ""), 5700},          // the last line is not ended
      {changed(77 * 12, std::string::npos, ""), 0},  // too little
      {changed(77 * 14, std::string::npos, ""), 14 * 57},
      {"\n" + std::string(20'000, 'A') + "\n", 0},  // one long line
      {"\n" + lines_of(file, {12, false, true}), 0}};
  for (const auto& [message, expected] : cases) {
    const std::vector<Piece> pieces = split(message);
    INFO(message.substr(std::min(message.size(), middle - 80), 240));
    CHECK(decoded(pieces) == expected);
    CHECK(joined(pieces) == message);
  }
}

TEST_CASE("splitter: an attachment of an attached message is found, one that was cut off too", "[content]") {
  Random random("splitter attached");
  const Bytes file = random.bytes(30'000);
  const std::string lines = lines_of(file, {76, false, true});
  const std::string inner =
      "Subject: inner\nContent-Type: multipart/mixed; boundary=in\n\n--in\n\n" + lines + "\n--in--\n";
  const std::string outer =
      "Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: message/rfc822\n\n" + inner +
      "\n--out--\n";
  REQUIRE(has_piece(split(outer), PieceKind::base64, as_text(file)));
  const std::size_t cut = outer.find(lines) + 77 * 200;
  const std::vector<Piece> pieces = split(std::string_view(outer).substr(0, cut));
  REQUIRE(has_piece(pieces, PieceKind::base64, as_text(ByteView(file).first(57 * 200))));
}

TEST_CASE("splitter: what was fed at once is handed over where it lies", "[content]") {
  class Views final : public PieceSink {
   public:
    explicit Views(std::string_view message) : message_(message) {}
    Status begin(PieceKind kind, const Base64Shape&) override {
      kind_ = kind;
      return {};
    }
    Status bytes(ByteView bytes) override {
      if (kind_ == PieceKind::base64) return {};
      ++views;
      copied += as_text(bytes).data() < message_.data() ||
                as_text(bytes).data() >= message_.data() + message_.size();
      return {};
    }
    Status end(bool) override { return {}; }
    int views = 0;
    int copied = 0;

   private:
    std::string_view message_;
    PieceKind kind_ = PieceKind::glue;
  };
  Random random("splitter views");
  const std::string message = "Subject: " + random.text(1000) + "\n\n" + prose(random, 100'000) +
                              lines_of(random.bytes(100'000), {76, false, true}) + prose(random, 100'000);
  Views sink(message);
  MimeSplitter splitter(sink);
  REQUIRE_OK(splitter.feed(as_bytes(message)));
  REQUIRE(splitter.held_bytes() == 0);
  REQUIRE_OK(splitter.end());
  REQUIRE(sink.views == 3);
  REQUIRE(sink.copied == 0);
}

TEST_CASE("splitter: a failure of the sink ends the message and comes out of every call", "[content]") {
  class Failing final : public PieceSink {
   public:
    Status begin(PieceKind, const Base64Shape&) override { return step(); }
    Status bytes(ByteView) override { return step(); }
    Status end(bool) override { return step(); }
    int fail_at = 0;
    int steps = 0;

   private:
    Status step() { return ++steps == fail_at ? Status(Code::no_space, "the sink is full") : Status(); }
  };
  Random random("splitter failures");
  const std::string message = "Received: x\nSubject: " + random.text(1000) + "\n\n" + prose(random, 2000) +
                              lines_of(random.bytes(100'000), {76, false, true}) + "end\n";
  Failing sink;
  MimeSplitter splitter(sink);
  const auto feed_all = [&] {
    sink.steps = 0;
    Status first;
    for (std::size_t at = 0; at < message.size(); at += 1000) {
      const Status status = splitter.feed(as_bytes(std::string_view(message).substr(at, 1000)));
      REQUIRE((first.ok() || status.code() == first.code()));
      first = status;
    }
    const Status ended = splitter.end();
    REQUIRE((first.ok() || ended.code() == first.code()));
    return ended;
  };
  REQUIRE_OK(feed_all());
  const int steps = sink.steps;
  REQUIRE(steps > 10);
  for (int i = 1; i <= steps; ++i) {
    sink.fail_at = i;
    REQUIRE_CODE(feed_all(), no_space);
    REQUIRE(sink.steps == i);
    sink.fail_at = 0;
    REQUIRE_OK(feed_all());
    REQUIRE(sink.steps == steps);
  }
}

TEST_CASE("splitter: a header without an end ends, and what follows is looked at", "[content]") {
  Random random("splitter endless header");
  const Bytes file = random.bytes(5000);
  const std::string lines = lines_of(file, {76, false, true});
  std::string fields;
  while (fields.size() < 70'000) fields += "X-Field: " + random.text(50) + "\n";
  for (const std::string& header :
       {fields, "Received: " + std::string(70'000, 'x') + "\n",
        "Subject: x\n" + std::string(3'000'000, ' ') + "\n", std::string("no field\n")}) {
    const std::string message = header + lines;
    const std::vector<Piece> pieces = split(message);
    REQUIRE(has_piece(pieces, PieceKind::base64, as_text(file)));
    REQUIRE(joined(pieces) == message);
    REQUIRE(split_in_steps(message, random, 5000) == pieces);
    for (const Piece& piece : pieces)
      REQUIRE((piece.kind != PieceKind::glue || piece.bytes.size() <= 64 * 1024));
  }
}

TEST_CASE("splitter: hostile messages are a bounded number of pieces and little is held of them",
          "[content]") {
  Random random("splitter hostile");
  std::vector<std::string> messages;
  messages.push_back(std::string(3'000'000, 'A'));
  messages.push_back(std::string(3'000'000, '\n'));
  messages.push_back(std::string(3'000'000, '\0'));
  messages.push_back("Content-Type: multipart/mixed; boundary=" + std::string(100'000, 'b') + "\n\n" +
                     std::string(1'000'000, '-'));
  std::string nested;
  for (int depth = 0; depth < 5000; ++depth) {
    const std::string name = "b" + std::to_string(depth);
    nested += "Content-Type: multipart/mixed; boundary=" + name + "\n\n--" + name + "\n";
  }
  messages.push_back(nested);
  std::string parts = "Content-Type: multipart/mixed; boundary=b\n\n";
  for (int i = 0; i < 100'000; ++i) parts += "--b\nX: y\n\n";
  messages.push_back(parts);
  std::string alike = "Content-Type: multipart/mixed; boundary=" + std::string(200, 'b') + "\n\n";
  for (int i = 0; i < 10'000; ++i) alike += "--" + std::string(199, 'b') + "\n";
  messages.push_back(alike);
  for (const std::string& message : messages) {
    const std::vector<Piece> pieces = split_in_steps(message, random, 100'000);
    REQUIRE(pieces.size() <= 40);
    REQUIRE(joined(pieces) == message);
  }
}

TEST_CASE("splitter: behind the greatest number of pieces the rest is one text", "[content]") {
  Random random("splitter pieces");
  const std::string lines = lines_of(random.bytes(1500), {76, false, true});
  const std::string text = prose(random, 600);
  for (const char* first : {"\n", "Received: x\n\n"}) {
    std::string message = first;
    for (int i = 0; i < 4000; ++i) message += i % 2 == 0 ? lines : i % 3 == 0 ? text + lines : "x\n" + lines;
    const std::vector<Piece> pieces = split(message);
    REQUIRE(pieces.size() == kMaxPieces);
    REQUIRE(pieces.back().kind == PieceKind::text);
    REQUIRE(pieces.back().bytes.size() > lines.size());
    REQUIRE(joined(pieces) == message);
    REQUIRE(split_in_steps(message, random, 50'000) == pieces);
  }
}

TEST_CASE("splitter: all messages of the corpus are exactly their pieces", "[content][corpus]") {
  namespace fs = std::filesystem;
  const std::optional<fs::path> corpus = restante::test::corpus_dir();
  if (!corpus) RESTANTE_SKIP("no corpus");
  Random random("splitter corpus");
  std::size_t count = 0;
  std::size_t base64 = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(*corpus / "messages")) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string message(std::istreambuf_iterator<char>(in), {});
    const std::vector<Piece> pieces = split(message);
    INFO(entry.path());
    REQUIRE(joined(pieces) == message);
    REQUIRE(split_in_steps(message, random, 3000) == pieces);
    for (const Piece& piece : pieces) base64 += piece.kind == PieceKind::base64;
    ++count;
  }
  REQUIRE(count == 6807);
  REQUIRE(base64 > 900);
}

// `test-content "[.bench]"`, with a library that is optimised.
TEST_CASE("splitter: its speed", "[.bench]") {
  class Counting final : public PieceSink {
   public:
    Status begin(PieceKind kind, const Base64Shape& shape) override {
      kind_ = kind;
      shape_ = shape;
      size_ = 0;
      return {};
    }
    Status bytes(ByteView bytes) override {
      size_ += bytes.size();
      return {};
    }
    Status end(bool last_line_ended) override {
      shape_.last_line_ended = last_line_ended;
      total += kind_ == PieceKind::base64 ? encoded_length(size_, shape_) : size_;
      return {};
    }
    std::uint64_t total = 0;

   private:
    PieceKind kind_ = PieceKind::glue;
    Base64Shape shape_;
    std::uint64_t size_ = 0;
  };
  Random random("splitter speed");
  const auto measure = [&](const char* what, const std::string& message) {
    Counting sink;
    MimeSplitter splitter(sink);
    const std::size_t times = 400'000'000 / message.size();
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < times; ++i) {
      REQUIRE(splitter.feed(as_bytes(message)).ok());
      REQUIRE(splitter.end().ok());
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    REQUIRE(sink.total == message.size() * times);
    WARN(what << ": " << static_cast<double>(sink.total) / took.count() / 1e6 << " MB/s");
  };
  std::string header =
      "Return-Path: <a@example.com>\nDelivered-To: b@example.com\nReceived: from x\n\tby y\n";
  for (int i = 0; i < 40; ++i)
    header += "X-Field-" + random.text(4) + ": " + random.text(60) + "\n\t" + random.text(40) + "\n";
  const std::string lines = lines_of(random.bytes(100'000), {76, false, true});
  const std::string parts = "Content-Type: multipart/mixed; boundary=limit\n\n--limit\n\n";
  measure("a text of a list, 10 KB", header + "\n" + prose(random, 5000));
  measure("a text, 1 MB", header + "\n" + prose(random, 1'000'000));
  measure("an attachment, 135 KB",
          header + parts + prose(random, 3000) + "--limit\n\n" + lines + "--limit--\n");
}
