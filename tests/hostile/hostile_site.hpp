#pragma once
// A mail store beside things that are none of its business, backed up and restored by sessions and plans.

#include <restante/restante.hpp>

#include <algorithm>
#include <optional>

#include "maildir_fixture.hpp"
#include "stores/maildir.hpp"
#include "support/hooked_io.hpp"

namespace restante::test {

inline const std::string kCanary = "canary: nobody reads or writes this\n";

/// Beside the store lies `outside/` with canaries, which hostile links lead to.
class HostileSite {
 public:
  HostileSite() {
    fs::create_directories(mail());
    write_file(outside() / "file", kCanary, kSomeTimeUs);
    write_file(outside() / "cur/1.canary:2,S", kCanary, kSomeTimeUs);
    write_file(outside() / "new/2.canary", kCanary, kSomeTimeUs);
    fs::create_directories(outside() / "tmp");
    canaries_ = all_of(outside());
    BackupTarget::CreateOptions options;
    options.state_directory = scratch_.file("state");
    Result<std::unique_ptr<Storage>> storage = open_local_storage(scratch_.file("target"), {.create = true});
    REQUIRE_OK(storage);
    Result<BackupTarget> target = BackupTarget::create(*std::move(storage), options);
    REQUIRE_OK(target);
    target_.emplace(*std::move(target));
    Result<RedoLog> log = RedoLog::open(scratch_.file("redo"), {.create = true});
    REQUIRE_OK(log);
    log_.emplace(*std::move(log));
  }

  [[nodiscard]] fs::path mail() const { return scratch_.path() / "mail"; }
  [[nodiscard]] fs::path alice() const { return mail() / "alice"; }
  [[nodiscard]] fs::path outside() const { return scratch_.path() / "outside"; }
  [[nodiscard]] fs::path elsewhere() const { return scratch_.path() / "elsewhere"; }
  [[nodiscard]] const ScratchDir& scratch() const { return scratch_; }
  [[nodiscard]] BackupTarget& target() { return *target_; }
  [[nodiscard]] RedoLog& log() { return *log_; }
  /// What the store said, one line a warning.
  [[nodiscard]] const std::string& warnings() const { return warnings_; }

  /// A full session by way of a scanner, every file call of the store through `io`.
  SessionInfo back_up(os::Io& io = os::real_io(), Session::Kind kind = Session::Kind::full) {
    MaildirStore::Options options;
    options.path = mail().string();
    options.domain = "example.com";
    options.on_warning = [this](std::string_view account, std::string_view text) {
      warnings_ += std::string(account) + ": " + std::string(text) + "\n";
    };
    auto store = MaildirInternals::open(options, io);
    REQUIRE_OK(store);
    Scanner::Options scan_options;
    scan_options.state_directory = scratch_.file("scan");
    auto scanner = Scanner::open(**store, *log_, scan_options);
    REQUIRE_OK(scanner);
    Session::Options session_options;
    session_options.kind = kind;
    session_options.source = scanner->get();
    session_options.log = &*log_;
    Result<Session> session = Session::begin(*target_, session_options);
    REQUIRE_OK(session);
    Result<SessionInfo> info = session->run();
    REQUIRE_OK(info);
    require_no_canary();
    return *info;
  }

  /// Every account of the target into a store at `elsewhere()`; the names that were refused.
  std::vector<std::string> restore_elsewhere(Identity identity = Identity::exact) {
    TestStore other(elsewhere());
    RestoreRequest request;
    request.stop.backup_only = true;
    request.identity = identity;
    Result<RestorePlan> plan =
        RestorePlan::make({*target_}, nullptr, request, {other.store.get(), other.store.get()});
    REQUIRE_OK(plan);
    for (const AccountPlan& account : plan->accounts()) {
      INFO(account.account_id);
      REQUIRE_OK(account.failure);
      require_no_canary(*plan, account.account_id);
    }
    const Result<RestoreReport> report = plan->execute();
    REQUIRE_OK(report);
    std::vector<std::string> refused;
    for (const AccountReport& account : report->accounts) {
      INFO(account.account_id);
      if (account.refused.empty()) REQUIRE_OK(account.status);
      refused.insert(refused.end(), account.refused.begin(), account.refused.end());
    }
    require_no_canary();
    return refused;
  }

  /// Nothing outside the store was changed, and nothing of it stands elsewhere.
  void require_no_canary() const {
    CHECK(all_of(outside()) == canaries_);
    if (!fs::exists(elsewhere())) return;
    for (const auto& entry : fs::recursive_directory_iterator(elsewhere())) {
      if (entry.is_symlink() || !entry.is_regular_file() || entry.file_size() != kCanary.size()) continue;
      CHECK(read_text(entry.path()) != kCanary);
    }
  }

  void require_verified() {
    const Result<TargetVerification> verified =
        target_->verify({.label = {}, .read_data = true, .cancel = {}, .progress = {}});
    REQUIRE_OK(verified);
    CHECK(verified->damages.empty());
  }

 private:
  // path -> mode, time and content.
  static std::map<std::string, std::string> all_of(const fs::path& root) {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      struct stat st {};
      REQUIRE(::lstat(entry.path().c_str(), &st) == 0);
      std::ostringstream line;
      line << st.st_mode << ' ' << st.st_uid << ' ' << st.st_mtim.tv_sec << '.' << st.st_mtim.tv_nsec;
      if (S_ISREG(st.st_mode)) line << ' ' << read_text(entry.path());
      all[entry.path().string()] = line.str();
    }
    return all;
  }

  static void require_no_canary(const RestorePlan& plan, const std::string& account) {
    const ContentRef canary = content_ref_of(as_bytes(kCanary));
    Result<std::unique_ptr<OpStream>> state = plan.state(account);
    REQUIRE_OK(state);
    Operation operation;
    for (;;) {
      const Result<bool> more = (*state)->next(operation);
      REQUIRE_OK(more);
      if (!*more) return;
      if (const auto* put = std::get_if<MessagePut>(&operation)) {
        for (const Message& message : put->messages) CHECK(message.content != canary);
      } else if (const auto* item = std::get_if<ItemPut>(&operation)) {
        CHECK(item->item.content != canary);
      }
    }
  }

  ScratchDir scratch_;
  std::optional<BackupTarget> target_;
  std::optional<RedoLog> log_;
  std::map<std::string, std::string> canaries_;
  std::string warnings_;
};

inline void require_completed(const SessionInfo& info) {
  for (const SessionAccount& account : info.accounts) {
    INFO(account.id << ": " << account.error);
    CHECK(account.status == AccountStatus::completed);
  }
}

/// Whether one of the lines names `what`.
inline bool names(const std::vector<std::string>& lines, std::string_view what) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(what) != std::string::npos; });
}

}  // namespace restante::test
