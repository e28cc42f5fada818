#include "stores/maildir_uidlist.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/text.hpp"
#include "stores/maildir_names.hpp"

namespace restante::stores {
namespace {

std::string_view take_word(std::string_view& line) {
  const std::size_t begin = line.find_first_not_of(' ');
  if (begin == std::string_view::npos) {
    line = {};
    return {};
  }
  line.remove_prefix(begin);
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

std::optional<std::uint32_t> number(std::string_view word) {
  const std::optional<std::uint64_t> value = base::parse_decimal(word);
  if (!value || *value > UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(*value);
}

void append_word(std::string& out, std::string_view word) {
  if (!out.empty()) out.push_back(' ');
  out.append(word);
}

class Parser {
 public:
  Parser(std::string_view text, const WarningFunction& warn) : text_(text), warn_(warn) {}

  std::optional<Uidlist> run() {
    std::string_view header = take_line();
    crlf_ = header.ends_with('\r');
    if (crlf_) header.remove_suffix(1);
    if (!read_header(header)) return std::nullopt;
    while (!text_.empty()) read_record(take_line());
    if (!ascending_) warn_("dovecot-uidlist: uids are not ascending");
    keep_last_of_each_base();
    std::uint64_t next = std::max<std::uint64_t>(stated_next_, std::uint64_t{highest_} + 1);
    list_.uidnext = static_cast<std::uint32_t>(std::min<std::uint64_t>(next, UINT32_MAX));
    return std::move(list_);
  }

 private:
  std::string_view take_line() {
    const std::size_t end = text_.find('\n');
    const std::string_view line = text_.substr(0, end);
    text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
    ++line_number_;
    return line;
  }

  bool read_header(std::string_view header) {
    version_ = std::string(take_word(header));
    if (version_ == "1") {
      list_.uidvalidity = number(take_word(header)).value_or(0);
      stated_next_ = number(take_word(header)).value_or(1);
    } else if (version_ == "3") {
      while (!header.empty()) read_header_field(take_word(header));
    } else {
      warn_(base::cat("dovecot-uidlist: version '", base::escape(version_.substr(0, 20)),
                      "' is not known; the folder has no uids"));
      return false;
    }
    if (list_.uidvalidity != 0) return true;
    warn_("dovecot-uidlist: no uidvalidity; the folder has no uids");
    return false;
  }

  void read_header_field(std::string_view word) {
    if (word.empty()) return;
    const std::string_view value = word.substr(1);
    switch (word.front()) {
      case 'V': list_.uidvalidity = number(value).value_or(0); break;
      case 'N':
        if (const std::optional<std::uint32_t> next = number(value)) {
          stated_next_ = *next;
        } else {
          warn_("dovecot-uidlist: the next uid is not a number");
        }
        break;
      case 'G': list_.guid = value; break;
      default: append_word(list_.extra, word); break;
    }
  }

  void read_record(std::string_view line) {
    if (crlf_ && line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) return;
    UidlistRecord record;
    record.uid = number(take_word(line)).value_or(0);
    if (version_ == "1") {
      line.remove_prefix(std::min<std::size_t>(1, line.size()));
    } else if (!read_fields(line, record)) {
      return complain("has no file name");
    }
    record.base = std::string(uidlist_key(line));
    if (record.base.empty()) return complain("has no file name");
    if (record.uid == 0) return complain("has no uid");
    if (!uids_.insert(record.uid).second) return complain("repeats a uid");
    if (record.uid < highest_) ascending_ = false;
    highest_ = std::max(highest_, record.uid);
    list_.records.push_back(std::move(record));
  }

  // Moves `line` to the file name behind " :".
  static bool read_fields(std::string_view& line, UidlistRecord& record) {
    while (!line.empty()) {
      const std::size_t begin = line.find_first_not_of(' ');
      if (begin == std::string_view::npos) return false;
      if (line[begin] == ':') {
        line.remove_prefix(begin + 1);
        return true;
      }
      append_word(record.extra, take_word(line));
    }
    return false;
  }

  void complain(std::string_view what) {
    warn_(base::cat("dovecot-uidlist: line ", line_number_, ' ', what, "; passed over"));
  }

  // As Dovecot does with a file that is listed twice: the newer UID counts.
  void keep_last_of_each_base() {
    std::unordered_map<std::string_view, std::uint32_t> last;
    for (const UidlistRecord& record : list_.records) {
      std::uint32_t& uid = last[record.base];
      uid = std::max(uid, record.uid);
    }
    if (last.size() == list_.records.size()) return;
    warn_("dovecot-uidlist: a file is listed twice; its greater uid counts");
    // The keys look into the records: decide before anything moves.
    std::vector<bool> keep;
    for (const UidlistRecord& record : list_.records) keep.push_back(last[record.base] == record.uid);
    std::vector<UidlistRecord> kept;
    for (std::size_t i = 0; i < keep.size(); ++i) {
      if (keep[i]) kept.push_back(std::move(list_.records[i]));
    }
    list_.records = std::move(kept);
  }

  std::string_view text_;
  const WarningFunction& warn_;
  Uidlist list_;
  std::string version_;
  std::unordered_set<std::uint32_t> uids_;
  std::uint32_t stated_next_ = 1;
  std::uint32_t highest_ = 0;
  std::uint64_t line_number_ = 0;
  bool crlf_ = false;
  bool ascending_ = true;
};

}  // namespace

std::optional<Uidlist> parse_uidlist(ByteView bytes, const WarningFunction& warn) {
  return Parser(as_text(bytes), warn).run();
}

std::string encode_uidlist(const Uidlist& uidlist) {
  std::string out = base::cat("3 V", uidlist.uidvalidity, " N", uidlist.uidnext);
  if (!uidlist.guid.empty()) out += base::cat(" G", uidlist.guid);
  if (!uidlist.extra.empty()) out += base::cat(' ', uidlist.extra);
  out.push_back('\n');
  for (const UidlistRecord& record : uidlist.records) {
    out += base::cat(record.uid, ' ', record.extra, record.extra.empty() ? ":" : " :", record.base, '\n');
  }
  return out;
}

bool are_uidlist_fields(std::string_view fields) {
  bool at_begin = true;
  for (const char c : fields) {
    const bool capital = c >= 'A' && c <= 'Z';
    if (at_begin ? !capital : (c != ' ' && (c < 0x21 || c > 0x7e))) return false;
    at_begin = c == ' ';
  }
  return !at_begin;
}

}  // namespace restante::stores
