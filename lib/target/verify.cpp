// Checking a target: what is there can be read, agrees with what sessions say of it, and misses nothing.

#include <array>
#include <set>

#include "base/text.hpp"
#include "base/wire.hpp"
#include "crypto/crypto.hpp"
#include "redo/committed_reader.hpp"
#include "target/segment_archive.hpp"
#include "target/target_impl.hpp"

namespace restante {
inline namespace v0 {
namespace {

// A damaged pack may cost thousands of messages; the count is exact, the names are the first of them.
constexpr std::size_t kMaxNamedCosts = 20;

class Verifier {
 public:
  Verifier(BackupTarget::Impl& target, const BackupTarget::VerifyOptions& options)
      : target_(target), options_(options) {}

  [[nodiscard]] Result<TargetVerification> run() {
    if (options_.read_percent < 1 || options_.read_percent > 100)
      return Status(Code::invalid_argument, "the share of packs to read must be 1 to 100 percent");
    {
      // What was read before may have been damaged since.
      const std::scoped_lock lock(target_.mutex);
      target_.published.clear();
      target_.archived.clear();
    }
    // In the reverse of the order in which a session writes: what is found then is whole, although sessions
    // are at work.
    if (Status s = find_sessions(); !s.ok()) return s;
    redo::SegmentViews segments;
    if (options_.label.empty()) {
      Result<redo::SegmentViews> views = target::archived_views(target_, &result_.damages);
      if (!views.ok()) return views.status();
      segments = *std::move(views);
    }
    if (Status s = check_content(); !s.ok()) return s;
    for (const std::string& label : labels_) {
      if (options_.cancel.cancelled()) return Status(Code::cancelled, "verification was cancelled");
      check_session(label);
    }
    if (options_.label.empty()) check_archive(segments);
    return std::move(result_);
  }

 private:
  void damage(std::string key, std::string what, std::vector<std::string> costs = {}) {
    result_.damages.push_back({std::move(key), std::move(what), std::move(costs)});
  }

  // Small enough to be typed again.
  [[nodiscard]] Status choose_seed(std::uint64_t& seed) const {
    if (options_.read_seed) {
      seed = *options_.read_seed;
      return {};
    }
    std::array<std::uint8_t, 4> random{};
    if (Status s = crypto::random_bytes(random); !s.ok()) return s;
    seed = base::ByteReader(random).u32();
    return {};
  }

  [[nodiscard]] Status check_content() {
    content::ReadExtent extent{options_.read_data ? options_.read_percent : 0, 0};
    if (Status s = choose_seed(extent.seed); !s.ok()) return s;
    const Result<content::ContentVerification> found = target_.content->verify(extent);
    if (!found.ok()) return found.status();
    result_.read_seed = extent.seed;
    result_.packs = found->packs;
    result_.packs_read = found->packs_read;
    result_.contents = found->contents;
    result_.bytes = found->bytes;
    for (const content::PackDamage& pack : found->damages) {
      lost_.insert(pack.lost.begin(), pack.lost.end());
      damage(pack.pack_key, pack.what, {base::cat(pack.lost.size(), " contents")});
    }
    return {};
  }

  [[nodiscard]] Status find_sessions() {
    const Status listed = target_.storage->list("sessions/", [&](const ObjectInfo& object) -> Status {
      const std::string_view key = std::string_view(object.key).substr(9);
      const std::string label(key.substr(0, key.find('/')));
      if (key == base::cat(label, "/", target::kSessionFile) &&
          (options_.label.empty() || options_.label == label))
        labels_.insert(label);
      return {};
    });
    if (!listed.ok()) return listed;
    if (labels_.empty() && !options_.label.empty())
      return Status(Code::not_found, base::cat("no session ", base::escape(options_.label)));
    return {};
  }

  void check_session(const std::string& label) {
    ++result_.sessions;
    const Result<target::RecordPointer> record = target::published_session(target_, label);
    if (!record.ok())
      return damage(target::session_prefix(label) + std::string(target::kSessionFile),
                    record.status().message(), {"the whole session"});
    if (const Result<std::vector<Digest>> ids = target::read_content_ids(target_, **record); !ids.ok())
      damage(target::session_prefix(label) + std::string(target::kContentIdsFile), ids.status().message());
    if ((*record)->server_data) check_server_data(**record);
    for (const SessionAccount& account : (*record)->info.accounts)
      if (account.full) check_snapshot(**record, account);
  }

  void check_server_data(const target::SessionRecord& record) {
    SessionAccount server;
    server.id = server.address = std::string(kServerAccount);
    const Status read = read_snapshot(record, server, *record.server_data);
    if (!read.ok())
      damage(target::session_prefix(record.info.label), read.message(),
             {base::cat("the server's own data in session ", record.info.label)});
  }

  void check_snapshot(const target::SessionRecord& record, const SessionAccount& account) {
    ++result_.accounts;
    const std::string& label = record.info.label;
    const Status read = read_account(record, account);
    if (!read.ok())
      damage(target::session_prefix(label), read.message(),
             {base::cat("account ", base::escape(account.address), " in session ", label)});
    if (options_.progress) {
      Progress progress;
      progress.account_id = account.id;
      progress.accounts_done = result_.accounts;
      options_.progress(progress);
    }
  }

  [[nodiscard]] Status read_account(const target::SessionRecord& record, const SessionAccount& account) {
    const auto place = record.snapshots.find(account.id);
    if (place == record.snapshots.end()) return Status(Code::damaged, "session.xml names no snapshot");
    return read_snapshot(record, account, place->second);
  }

  [[nodiscard]] Status read_snapshot(const target::SessionRecord& record, const SessionAccount& account,
                                     const target::SnapshotPlace& place) {
    Result<std::unique_ptr<OpStream>> stream = target::read_snapshot(
        target_.storage, target::snapshot_site(target_, record.info.label), place, account.id);
    if (!stream.ok()) return stream.status();
    StateDigester digester(target_.digest_key, account.fields);
    std::vector<std::string> costs;
    std::uint64_t missing = 0;
    Operation operation;
    for (;;) {
      const Result<bool> more = (*stream)->next(operation);
      if (!more.ok()) return more.status();
      if (!*more) break;
      if (Status s = digester.add(operation); !s.ok()) return s;
      if (Status s = check_contents(operation, missing, costs); !s.ok()) return s;
    }
    if (missing > 0)
      damage(base::cat(target::session_prefix(record.info.label), " account ", base::escape(account.address)),
             base::cat(missing, " contents cannot be read"), std::move(costs));
    // Of the server's own data there is none.
    if (!account.full || digester.account_digest() == account.digest) return {};
    return Status(Code::damaged, "the state digest differs from the one of the backup");
  }

  [[nodiscard]] Status check_contents(const Operation& operation, std::uint64_t& missing,
                                      std::vector<std::string>& costs) {
    const auto check = [&](const std::optional<ContentRef>& content, const std::string& what) -> Status {
      if (!content) return {};
      const Result<bool> has = target_.content->has(*content);
      if (!has.ok()) return has.status();
      if (*has && !is_lost(*content)) return {};
      ++missing;
      if (costs.size() < kMaxNamedCosts) costs.push_back(what);
      return {};
    };
    if (const auto* put = std::get_if<MessagePut>(&operation)) {
      for (const Message& message : put->messages)
        if (Status s = check(message.content, base::cat("message ", base::escape(message.id))); !s.ok())
          return s;
    } else if (const auto* item = std::get_if<ItemPut>(&operation)) {
      return check(item->item.content,
                   base::cat(base::escape(item->item.kind), " ", base::escape(item->item.id)));
    }
    return {};
  }

  void check_archive(const redo::SegmentViews& views) {
    const redo::SegmentView* before = nullptr;
    std::set<ServerSequence> missing = named_and_missing(views);
    for (const auto& view : views) {
      ++result_.segments;
      check_segment(*view);
      if (before && before->header().incarnation == view->header().incarnation) {
        // One without records, which a crash leaves, is missed by nobody.
        const bool is_hole = before->last_lsn() + 1 < view->header().first_lsn;
        for (std::uint64_t gap = before->header().sequence + 1; gap < view->header().sequence; ++gap) {
          if (is_hole)
            missing.emplace(view->header().server, gap);
          else
            missing.erase({view->header().server, gap});
        }
      }
      before = view.get();
    }
    for (const auto& [server, sequence] : missing)
      damage("redologs/", base::cat("segment ", sequence, " of server ", server.to_string(), " is missing"));
  }

  // Sequences of one server's logs are never given twice.
  using ServerSequence = std::pair<Id128, std::uint64_t>;

  // Segments that a session says it archived and that are not there.
  [[nodiscard]] std::set<ServerSequence> named_and_missing(const redo::SegmentViews& views) const {
    std::set<ServerSequence> there;
    for (const auto& view : views) there.emplace(view->header().server, view->header().sequence);
    std::set<ServerSequence> missing;
    for (const std::string& label : labels_) {
      const Result<target::RecordPointer> session = target::published_session(target_, label);
      if (!session.ok()) continue;  // what is wrong with it is reported with it
      const SessionInfo& info = (*session)->info;
      for (std::uint64_t sequence = info.first_sequence; sequence != 0 && sequence <= info.last_sequence;
           ++sequence)
        if (!there.contains({info.server, sequence})) missing.emplace(info.server, sequence);
    }
    return missing;
  }

  void check_segment(const redo::SegmentView& view) {
    const std::string key =
        target::segment_key(view.header().log, view.header().incarnation, view.header().sequence);
    const Result<std::unique_ptr<redo::RecordStream>> stream = view.records({});
    if (!stream.ok()) return damage(key, stream.status().message());
    redo::Record record;
    Lsn expected = view.header().first_lsn;
    for (;;) {
      const Result<bool> more = (*stream)->next(record);
      if (!more.ok()) {
        damage(key, more.status().message());
        expected = (*stream)->damage().next_lsn;
        continue;
      }
      if (!*more) break;
      if (record.head.lsn != expected)
        damage(key, base::cat("LSN ", expected, " is missing, ", record.head.lsn, " follows"));
      expected = record.head.lsn + 1;
    }
    check_segment_contents(key, view);
  }

  void check_segment_contents(const std::string& key, const redo::SegmentView& view) {
    const Result<std::vector<ContentRef>> contents = target::archived_contents(view);
    if (!contents.ok()) return damage(key, contents.status().message());
    std::uint64_t missing = 0;
    for (const ContentRef& content : *contents) {
      const Result<bool> has = target_.content->has(content);
      if (!has.ok()) return damage(key, has.status().message());
      if (!*has || is_lost(content)) ++missing;
    }
    if (missing > 0) damage(key, base::cat(missing, " contents of its messages cannot be read"));
  }

  [[nodiscard]] bool is_lost(const ContentRef& content) const {
    return lost_.contains(target_.sealer->content_id(content.digest));
  }

  BackupTarget::Impl& target_;
  const BackupTarget::VerifyOptions& options_;
  TargetVerification result_;
  std::set<std::string> labels_;
  std::set<Digest> lost_;  // ids
};

}  // namespace

Result<TargetVerification> BackupTarget::verify(const VerifyOptions& options) const {
  return Verifier(*impl_, options).run();
}

}  // namespace v0
}  // namespace restante
