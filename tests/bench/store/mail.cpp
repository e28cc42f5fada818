#include "mail.hpp"

#include <algorithm>
#include <chrono>

#include "draw.hpp"
#include "encoding.hpp"

namespace store {
namespace {

constexpr std::string_view kHosts[] = {"mx1.example.net",   "relay.example.org",   "smtp-out.example.net",
                                       "lists.example.org", "gateway.example.com", "mail.example.edu"};
constexpr std::uint64_t kDayShift = 40;

std::string hex(std::uint64_t value, int digits) {
  std::string out(static_cast<std::size_t>(digits), '0');
  for (std::size_t i = out.size(); i-- > 0; value >>= 4) out[i] = "0123456789abcdef"[value & 15];
  return out;
}

std::string two_digits(std::int64_t value) {
  return {static_cast<char>('0' + value / 10 % 10), static_cast<char>('0' + value % 10)};
}

/// `bytes` base64 characters that nothing compresses, folded as header fields are.
std::string signature(Draws& draws, std::size_t bytes) {
  std::string random;
  while (random.size() < bytes) {
    const std::uint64_t word = draws.next();
    for (int i = 0; i < 8; i++) random += static_cast<char>(word >> (8 * i));
  }
  std::string characters, out;
  append_base64(characters, std::string_view(random).substr(0, bytes / 4 * 3), bytes);
  for (std::size_t i = 0; i < characters.size(); i += 64)
    (out += i == 0 ? "" : "\n\t") += characters.substr(i, 64);
  return out;
}

std::string person(Draws& draws) {
  const std::string first = invented_word(100 + draws.below(400)),
                    last = invented_word(100 + draws.below(4000));
  return first + " " + last + " <" + first + "." + last + "@" + std::string(draws.one_of(kHosts)) + ">";
}

std::string message_id(Draws& draws) {
  return "<" + hex(draws.next(), 12) + "." + hex(draws.next(), 8) + "@" + std::string(draws.one_of(kHosts)) +
         ">";
}

// --- fields that make a header block as long as real ones ------------------------------------------------

std::string signature_field(Draws& draws) {
  const std::string host(draws.one_of(kHosts));
  return std::string(draws.chance(500'000) ? "DKIM-Signature" : "ARC-Message-Signature") +
         ": v=1; a=rsa-sha256; c=relaxed/relaxed; d=" + host + ";\n\ts=sel" + hex(draws.next(), 4) +
         "; h=from:to:cc:subject:date:message-id:mime-version:content-type;\n\tbh=" + signature(draws, 44) +
         ";\n\tb=" + signature(draws, 344) + "\n";
}

std::string results_field(Draws& draws) {
  const std::string host(draws.one_of(kHosts)), id = hex(draws.next(), 10);
  return "Authentication-Results: " + std::string(draws.one_of(kHosts)) + ";\n\tdkim=pass header.d=" + host +
         " header.s=" + id + ";\n\tspf=pass (sender IP is 192.0.2." + std::to_string(draws.below(256)) +
         ") smtp.mailfrom=" + host + ";\n\tdmarc=pass (p=none sp=none dis=none) header.from=" + host + "\n";
}

std::string spam_field(Draws& draws) {
  std::string out = "X-Spam-Status: No, score=-" + std::to_string(draws.below(10)) + "." +
                    std::to_string(draws.below(10)) + " required=5.0 tests=";
  for (std::uint64_t left = draws.between(3, 12), column = 60; left > 0; left--) {
    std::string name = invented_word(draws.below(300)) + "_" + invented_word(draws.below(300));
    for (char& c : name)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (column + name.size() > 76) out += "\n\t", column = 8;
    column += name.size() + 1;
    (out += name) += ',';
  }
  return out + "\n\tautolearn=ham version=3.4.6\n";
}

std::string hop_field(Draws& draws) {
  return "Received: from " + std::string(draws.one_of(kHosts)) + " (" + std::string(draws.one_of(kHosts)) +
         " [192.0.2." + std::to_string(draws.below(256)) + "])\n\tby " + std::string(draws.one_of(kHosts)) +
         " (Postfix) with ESMTPS id " + hex(draws.next(), 11) + ";\n\t" +
         date_text(static_cast<std::int64_t>(1'600'000'000 + draws.below(1u << 28))) + "\n";
}

std::string list_fields(Draws& draws) {
  const std::string list = invented_word(draws.below(200)), host = "lists.example.org";
  return "List-Id: <" + list + "." + host + ">\nList-Unsubscribe: <https://" + host + "/mailman/options/" +
         list + ">,\n\t<mailto:" + list + "-request@" + host +
         "?subject=unsubscribe>\nList-Archive: <https://" + host + "/pipermail/" + list +
         "/>\nList-Post: <mailto:" + list + "@" + host + ">\nList-Help: <mailto:" + list + "-request@" +
         host + "?subject=help>\n";
}

std::string references_field(Draws& draws) {
  std::string out = "References:";
  for (std::uint64_t left = draws.between(1, 6); left > 0; left--) (out += " ") += message_id(draws) + "\n";
  return out;
}

std::string some_field(Draws& draws) {
  const std::uint64_t at = draws.below(100);
  return at < 20   ? signature_field(draws)
         : at < 42 ? results_field(draws)
         : at < 56 ? spam_field(draws)
         : at < 84 ? hop_field(draws)
         : at < 92 ? list_fields(draws)
                   : references_field(draws);
}

/// Appends fields of `bytes` together, as exactly as a last field allows.
void append_fields(std::string& out, std::size_t bytes, Draws& draws, const Text& text) {
  constexpr std::string_view kLast = "X-Comment: ";
  const std::size_t end = out.size() + bytes;
  for (;;) {
    const std::string field = some_field(draws);
    if (out.size() + field.size() + kLast.size() + 2 > end) break;
    out += field;
  }
  if (out.size() + kLast.size() + 2 > end) return;
  out += kLast;
  std::size_t column = kLast.size();
  const std::string_view words = text.piece(draws);
  for (std::size_t i = 0; out.size() + 1 < end; i++, column++) {
    const char c = words[i % words.size()];
    if (column > 70 && out.size() + 4 < end) {
      out += "\n x";
      column = 2;
    } else {
      out += c == '\n' || c == '\t' ? '_' : c;
    }
  }
  out += '\n';
}

// --- bodies ----------------------------------------------------------------------------------------------

enum class Transfer { k7bit, k8bit, kQuotedPrintable, kBase64 };

Transfer draw_transfer(Draws& draws) {
  const std::uint64_t at = draws.below(100);
  return at < 27   ? Transfer::k8bit
         : at < 57 ? Transfer::kQuotedPrintable
         : at < 68 ? Transfer::kBase64
                   : Transfer::k7bit;
}

std::string_view name_of(Transfer transfer) {
  static constexpr std::string_view kNames[] = {"7bit", "8bit", "quoted-printable", "base64"};
  return kNames[static_cast<std::size_t>(transfer)];
}

/// Some letters of other alphabets, if the transfer encoding has a use for them.
void append_accented(std::string& out, std::string_view piece, Draws& draws) {
  static constexpr std::string_view kLetters[] = {"\xc3\xa4", "\xc3\xa9",     "\xc3\xb1",    "\xc3\xbc",
                                                  "\xd0\xb6", "\xe2\x80\x99", "\xe4\xb8\xad"};
  while (!piece.empty()) {
    const std::size_t bytes = std::min<std::size_t>(piece.size(), draws.between(20, 160));
    (out += piece.substr(0, bytes)) += draws.one_of(kLetters);
    piece.remove_prefix(bytes);
  }
}

void append_markup(std::string& out, std::string_view piece, Draws& draws) {
  static constexpr std::string_view kBegin[] = {
      "<p class=\"MsoNormal\" style=\"margin:0cm;font-size:11pt;font-family:Calibri,sans-serif\">",
      "<div dir=\"ltr\">", "<tr><td style=\"padding:0px 8px;vertical-align:top\" width=\"100%\">",
      "<p><span style=\"font-size:10pt;color:#333333\">"};
  static constexpr std::string_view kEnd[] = {"</p>\n", "</div>\n", "</td></tr>\n", "</span></p>\n"};
  while (!piece.empty()) {
    const std::size_t kind = draws.below(std::size(kBegin));
    const std::size_t end = std::min(piece.find('\n', std::min<std::size_t>(piece.size(), 60)), piece.size());
    ((out += kBegin[kind]) += piece.substr(0, end)) += kEnd[kind];
    piece.remove_prefix(std::min(end + 1, piece.size()));
  }
}

/// A body of exactly `bytes`, apart from base64, which comes near.
class BodyMaker {
 public:
  BodyMaker(Draws& draws, const Text& text, Untidy untidy) : draws_(draws), text_(text), untidy_(untidy) {}

  Part append(std::string& out, std::size_t bytes, Transfer transfer, bool html) {
    Part part;
    part.begin = out.size();
    part.base64 = transfer == Transfer::kBase64;
    if (part.base64) {
      while (part.decoded.size() < bytes) append_piece(part.decoded, true, html);
      part.decoded.resize(decoded_size(std::max<std::size_t>(bytes, 8)));
      append_base64(out, part.decoded, 76, untidy_);
    } else {
      std::string encoded;
      while (encoded.size() < bytes) append_encoded(encoded, transfer, html);
      cut(encoded, bytes);
      out += encoded;
    }
    part.end = out.size();
    return part;
  }

 private:
  void append_piece(std::string& out, bool accented, bool html) {
    std::string piece;
    if (accented)
      append_accented(piece, text_.piece(draws_), draws_);
    else
      piece = text_.piece(draws_);
    if (html)
      append_markup(out, piece, draws_);
    else
      (out += piece) += '\n';
  }

  void append_encoded(std::string& out, Transfer transfer, bool html) {
    if (transfer != Transfer::kQuotedPrintable) return append_piece(out, transfer == Transfer::k8bit, html);
    std::string piece;
    append_piece(piece, true, html);
    append_quoted_printable(out, piece);
  }

  /// Not within a character or an escape, and no blank at the end.
  static void cut(std::string& encoded, std::size_t bytes) {
    encoded.resize(bytes);
    const std::size_t tail = std::min<std::size_t>(bytes, 3);
    for (std::size_t i = bytes - tail; i < bytes; i++) {
      const auto c = static_cast<unsigned char>(encoded[i]);
      if (c >= 0x80 || c == '=' || c <= ' ') encoded[i] = 'x';
    }
  }

  Draws& draws_;
  const Text& text_;
  Untidy untidy_;
};

Untidy draw_untidy(Draws& draws, std::uint64_t one_in) {
  const bool untidy = draws.below(one_in) == 0;
  const std::uint64_t kind = 1 + draws.below(kUntidyKinds);
  return untidy ? static_cast<Untidy>(kind) : Untidy::kNo;
}

std::string type_fields(std::string_view type, Transfer transfer) {
  return "Content-Type: " + std::string(type) +
         "; charset=" + (transfer == Transfer::k7bit ? "us-ascii" : "utf-8") +
         "\nContent-Transfer-Encoding: " + std::string(name_of(transfer)) + "\n";
}

std::string multipart_fields(std::string_view kind, const std::string& boundary) {
  return "Content-Type: multipart/" + std::string(kind) + "; boundary=\"" + boundary + "\"\n";
}

/// The fields that a copy of a content has: in half of the cases those of its first use.
std::string attachment_fields(const Use& use, const Content& content, Draws& draws) {
  const bool other = use.copy > 0 && draws.chance(500'000);
  const std::string name =
      content.name + (other ? " (" + std::to_string(draws.below(100)) + ")" : "") + "." + content.extension;
  std::string out = "Content-Type: " + content.type + "; name=\"" + name + "\"\n";
  if (other) out += "Content-Description: " + name + "\nX-Attachment-Id: f_" + hex(draws.next(), 10) + "\n";
  return out + "Content-Disposition: attachment; filename=\"" + name +
         "\"\nContent-Transfer-Encoding: base64\n";
}

/// Header fields about the content, the empty line and the body, appended in this order.
class Composer {
 public:
  Composer(Draws& draws, const Text& text, std::uint64_t untidy_in, std::string& fields, std::string& body)
      : draws_(draws), text_(text), untidy_in_(untidy_in), fields_(fields), body_(body) {}

  void compose(std::size_t bytes, bool html, const std::vector<Use>& uses, std::uint64_t seed) {
    if (uses.empty()) {
      if (html)
        append_alternative(fields_, bytes);
      else
        append_leaf(fields_, bytes, false);
      body_ += '\n';
      return;
    }
    const std::string boundary = "=_" + hex(draws_.next(), 16);
    fields_ += multipart_fields("mixed", boundary);
    std::string inner;
    const std::size_t at = body_.size();
    const std::size_t known = parts.size();
    if (html)
      append_alternative(inner, bytes);
    else
      append_leaf(inner, bytes, false);
    insert(at, known, "--" + boundary + "\n" + inner + "\n");
    for (const Use& use : uses) append_attachment(use, boundary, seed);
    body_ += "\n--" + boundary + "--\n";
  }

  std::vector<Part> parts;

 private:
  void insert(std::size_t at, std::size_t known, const std::string& before) {
    body_.insert(at, before);
    for (std::size_t i = known; i < parts.size(); i++)
      parts[i].begin += before.size(), parts[i].end += before.size();
  }

  void append_leaf(std::string& fields, std::size_t bytes, bool html) {
    const Transfer transfer = draw_transfer(draws_);
    fields += type_fields(html ? "text/html" : "text/plain", transfer);
    parts.push_back(
        BodyMaker(draws_, text_, draw_untidy(draws_, untidy_in_)).append(body_, bytes, transfer, html));
  }

  void append_alternative(std::string& fields, std::size_t bytes) {
    const std::string boundary = "_alt_" + hex(draws_.next(), 16);
    fields += multipart_fields("alternative", boundary);
    const std::size_t begin = body_.size();
    const std::size_t text_bytes = bytes * draws_.between(15, 40) / 100;
    for (const bool html : {false, true}) {
      const std::size_t at = body_.size(), known = parts.size();
      // The parts' own header fields are part of the size that was measured.
      const std::size_t used = body_.size() - begin + (html ? 200 : 100);
      const std::size_t wanted = html ? bytes : text_bytes;
      std::string inner;
      append_leaf(inner, wanted > used + 20 ? wanted - used : 20, html);
      insert(at, known, (html ? "\n--" : "--") + boundary + "\n" + inner + "\n");
    }
    body_ += "\n--" + boundary + "--";
  }

  void append_attachment(const Use& use, const std::string& boundary, std::uint64_t seed) {
    const Content content = Content::traits(seed, use.content);
    body_ += "\n--" + boundary + "\n" + attachment_fields(use, content, draws_) + "\n";
    Part part;
    part.attachment = part.base64 = true;
    part.begin = body_.size();
    part.decoded = Content::bytes(seed, use, text_);
    append_base64(body_, part.decoded, use.copy % 2 == 0 ? content.width : content.second_width,
                  draw_untidy(draws_, untidy_in_));
    part.end = body_.size();
    parts.push_back(std::move(part));
  }

  Draws& draws_;
  const Text& text_;
  std::uint64_t untidy_in_;
  std::string& fields_;
  std::string& body_;
};

std::string sender_fields(std::uint64_t number, Draws& draws, const Text& text) {
  const std::string subject(text.piece(draws).substr(0, 16 + draws.below(40)));
  std::string out = "From: " + person(draws) + "\nTo: " + person(draws) + "\nSubject: ";
  for (const char c : subject) out += c == '\n' || c == '\t' ? ' ' : c;
  out += ".\nDate: " + date_text(time_of_mail(number)) + "\nMessage-ID: " + message_id(draws) + "\n";
  if (draws.chance(500'000)) out += "In-Reply-To: " + message_id(draws) + "\n";
  return out + "MIME-Version: 1.0\n";
}

}  // namespace

std::int64_t time_of_mail(std::uint64_t number) {
  const std::uint64_t day = number >> kDayShift, of_day = number & ((std::uint64_t{1} << kDayShift) - 1);
  if (day == 0) return static_cast<std::int64_t>(1'600'000'000 + of_day * 60);
  return static_cast<std::int64_t>(1'900'000'000 + day * 86'400 + of_day % 86'400);
}

std::string date_text(std::int64_t time) {
  using namespace std::chrono;
  static constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const sys_days day{days{time / 86'400}};
  const year_month_day date{day};
  const std::int64_t seconds = time % 86'400;
  return std::string(kDays[weekday{day}.c_encoding()]) + ", " +
         two_digits(static_cast<unsigned>(date.day())) + " " +
         std::string(kMonths[static_cast<unsigned>(date.month()) - 1]) + " " +
         std::to_string(static_cast<int>(date.year())) + " " + two_digits(seconds / 3600) + ":" +
         two_digits(seconds / 60 % 60) + ":" + two_digits(seconds % 60) + " +0000";
}

Mail MailMaker::make(std::uint64_t number) {
  const Tables& tables = Tables::get();
  const bool html = even_draw(seed_, Stream::kHasHtml, number) < profile_.html_millionths;
  const std::uint64_t header_bytes = tables.header.at(even_draw(seed_, Stream::kHeaderSize, number));
  const std::uint64_t body_bytes =
      (html ? tables.html : tables.text).at(even_draw(seed_, Stream::kBodySize, number));
  const std::vector<Use> uses = attachments_.of(number);

  Mail mail;
  mail.multipart = html || !uses.empty();
  Draws header(seed_, Stream::kHeader, number), body_draws(seed_, Stream::kBody, number);
  const std::size_t transport_bytes = header_bytes * 2 / 5;
  mail.received_lines = static_cast<std::uint32_t>(header.between(2, transport_bytes < 700 ? 2 : 6));

  std::string fields, body;
  Composer composer(body_draws, text_, untidy_in_, fields, body);
  composer.compose(body_bytes, html, uses, seed_);
  mail.message = sender_fields(number, header, text_);
  const std::size_t used = mail.message.size() + fields.size() + 1;
  if (const std::size_t wanted = header_bytes - transport_bytes; wanted > used)
    append_fields(mail.message, wanted - used, header, text_);
  mail.message += fields;
  mail.message += '\n';
  mail.own_header_bytes = mail.message.size();
  mail.message += body;
  for (Part& part : composer.parts) {
    part.begin += mail.own_header_bytes;
    part.end += mail.own_header_bytes;
  }
  mail.parts = std::move(composer.parts);

  const std::size_t of_copy = copy_header(mail, number, 0, "user00001").size();
  if (transport_bytes > of_copy) append_fields(mail.transport, transport_bytes - of_copy, header, text_);
  return mail;
}

std::string MailMaker::copy_header(const Mail& mail, std::uint64_t number, std::uint64_t copy,
                                   std::string_view recipient) const {
  Draws draws(seed_, Stream::kCopyHeader, number << 8 ^ copy);
  const std::string user(recipient);
  std::string out = "Return-Path: <bounce+" + hex(draws.next(), 8) + "=" + user +
                    "=example.com@lists.example.org>\n" + "Delivered-To: " + user + "@example.com\n";
  const std::string time = date_text(time_of_mail(number) + static_cast<std::int64_t>(copy % 60));
  for (std::uint32_t left = mail.received_lines; left > 0;) {
    const std::uint32_t lines = left == 3 ? 3 : 2;
    out += "Received: from " + std::string(draws.one_of(kHosts)) + " by mx1.example.com with LMTP id " +
           hex(draws.next(), 16) + "\n\t";
    if (lines == 3) out += "(envelope-from <bounce+" + hex(draws.next(), 8) + "@lists.example.org>)\n\t";
    out += "for <" + user + "@example.com>; " + time + "\n";
    left -= lines;
  }
  return out;
}

}  // namespace store
