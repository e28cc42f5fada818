#include "archive/mailboxes.hpp"

#include "base/limits.hpp"
#include "base/text.hpp"

namespace restante::archive {
namespace {

Result<std::string> read_whole(const Spool& spool, const Entry& entry, std::uint64_t limit) {
  if (entry.piece.length > limit)
    return Status(Code::damaged, base::cat(base::escape(entry.name), " is longer than ", limit, " bytes"));
  std::string text(static_cast<std::size_t>(entry.piece.length), '\0');
  if (Status s = spool.read(entry.piece.offset, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
      !s.ok())
    return s;
  return text;
}

// Reads one account's lines, each checked against the entries that it names.
class MailboxReading {
 public:
  MailboxReading(const Interpretation& job, const Description::Mailbox& mailbox)
      : job_(job), mailbox_(mailbox) {}

  [[nodiscard]] Result<FoundMailbox> run() {
    const std::string name = base::cat(mailbox_.directory, '/', kMailboxName);
    const Entry* lines = job_.entries.find(name);
    if (!lines)
      return Status(Code::damaged, base::cat("the archive is cut off: it lacks ", base::escape(name)));
    if (Status s = read(*lines); !s.ok())
      return s.with_context(base::cat(base::escape(name), ", line ", line_));
    summarize();
    return std::move(found_);
  }

 private:
  [[nodiscard]] Status read(const Entry& entry) {
    SpoolLines lines(job_.spool, entry.piece);
    for (;;) {
      const Result<bool> more = lines.next(base::kMaxArchiveLineBytes);
      if (!more.ok()) return more.status();
      if (!*more) break;
      ++line_;
      if (!lines.is_whole()) return damaged("it is too long");
      if (ended_) return damaged("there is more behind the end");
      Result<Line> line = decode_line(lines.line());
      if (!line.ok()) return line.status();
      if (Status s = take(*line); !s.ok()) return s;
    }
    return ended_ ? Status() : damaged("the mailbox is cut off: it has no line of kind \"end\"");
  }

  [[nodiscard]] Status take(Line& line) {
    switch (line.kind) {
      case Line::Kind::head:
        if (line_ != 1) return damaged("the head is not the first line");
        found_.fields = line.head.fields;
        return {};
      case Line::Kind::end: return end(line.end);
      case Line::Kind::element: break;
    }
    if (line_ == 1) return damaged("the first line is not the head");
    if (auto* put = std::get_if<MessagePut>(&line.element)) {
      Message& message = put->messages.front();
      if (!message.content) return damaged("a message without content");
      if (Status s = check(line.place, *message.content); !s.ok()) return s;
      ++found_.summary.messages;
      found_.summary.bytes += message.content->size;
    } else if (auto* item = std::get_if<ItemPut>(&line.element)) {
      if (item->item.content)
        if (Status s = check(line.place, *item->item.content); !s.ok()) return s;
    }
    if (Status s = digester_.add(line.element); !s.ok()) return s;
    return found_.state.apply(line.element);
  }

  // The bytes are there and are those that the digest names.
  [[nodiscard]] Status check(const Place& place, const ContentRef& content) {
    const Entry* entry = job_.entries.find(place.entry);
    if (!entry) return damaged(base::cat("the archive lacks ", base::escape(place.entry)));
    Piece piece = entry->piece;
    const bool quoted = place.offset.has_value();
    if (quoted) {
      if (*place.offset > piece.length || place.length > piece.length - *place.offset)
        return damaged(base::cat("it names bytes behind the end of ", base::escape(place.entry)));
      piece = {piece.offset + *place.offset, place.length};
    }
    const Result<ContentRef> found = job_.contents.add(piece, quoted, quoted ? content.size : UINT64_MAX);
    if (!found.ok()) return found.status();
    if (*found == content) return {};
    return damaged(base::cat(base::escape(place.entry), " does not hold what its digest says"));
  }

  // Counts and digest are those of what was read, and of what it makes: an element that is void, or there
  // twice, makes another mailbox than the one that was exported.
  [[nodiscard]] Status end(const MailboxEnd& end) {
    ended_ = true;
    const MailboxState& state = found_.state;
    OpVector elements;
    if (Status s = state.write(elements); !s.ok()) return s;
    const std::unique_ptr<OpStream> stream = stream_of(elements.operations);
    const Result<StateDigest> made = digest_of(*stream, kArchiveDigestKey);
    if (!made.ok()) return made.status();
    if (end.folders != state.folders().size() || end.messages != state.messages().size() ||
        end.items != state.items().size())
      return damaged("its counts are not those of the lines before");
    if (end.digest != *made || end.digest != digester_.account_digest())
      return damaged("its digest is not that of the lines before");
    if (!state.account()) return damaged("there is no line of kind \"account\"");
    return {};
  }

  void summarize() {
    found_.summary.name = mailbox_.address.empty() ? mailbox_.id : mailbox_.address;
    found_.summary.address = mailbox_.address;
    found_.summary.kind = "restante";
    found_.summary.folders = found_.state.folders().size();
    found_.summary.items = found_.state.items().size();
    found_.has_uids = found_.fields.has(Field::uid);
  }

  [[nodiscard]] static Status damaged(std::string what) { return Status(Code::damaged, std::move(what)); }

  const Interpretation& job_;
  const Description::Mailbox& mailbox_;
  FoundMailbox found_;
  StateDigester digester_{kArchiveDigestKey};
  std::uint64_t line_ = 0;
  bool ended_ = false;
};

}  // namespace

Result<std::vector<FoundMailbox>> read_own_mailboxes(const Interpretation& job) {
  if (!job.entries.twice.empty())
    return Status(Code::damaged,
                  base::cat("the archive has an entry twice: ", base::escape(job.entries.twice.front())));
  const Entry* entry = job.entries.find(std::string(kDescriptionName));
  const Result<std::string> text = read_whole(job.spool, *entry, base::kMaxArchiveDescriptionBytes);
  if (!text.ok()) return text.status();
  const Result<Description> description = decode_description(*text);
  if (!description.ok()) return description.status().with_context(kDescriptionName);
  std::vector<FoundMailbox> mailboxes;
  for (const Description::Mailbox& mailbox : description->mailboxes) {
    Result<FoundMailbox> found = MailboxReading(job, mailbox).run();
    if (!found.ok()) return found.status();
    mailboxes.push_back(*std::move(found));
  }
  return mailboxes;
}

}  // namespace restante::archive
