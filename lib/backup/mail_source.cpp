// What a source does where its host has nothing of its own to do.

#include <restante/mail_source.hpp>

namespace restante {
inline namespace v0 {
namespace {

class StateSink final : public OpSink {
 public:
  explicit StateSink(MailboxState& state) : state_(state) {}
  [[nodiscard]] Status put(Operation operation) override { return state_.apply(operation); }

 private:
  MailboxState& state_;
};

}  // namespace

Result<SnapshotInfo> MailSource::snapshot_state(std::string_view account_id, MailboxState& out) {
  StateSink sink(out);
  return snapshot(account_id, sink);
}

Status MailSource::server_data(OpSink&) { return {}; }
Result<std::set<std::string>> MailSource::settled_accounts() { return std::set<std::string>(); }

Status MailSource::barrier(std::string_view) { return {}; }
Status MailSource::suspend(std::string_view) { return {}; }
Status MailSource::resume(std::string_view) { return {}; }
Status MailSource::note_contents(std::string_view, std::span<const Message>) { return {}; }

Result<SnapshotInfo> MailSource::changes_since(std::string_view, std::string_view, OpSink&) {
  return Status(Code::unsupported, "this store does not list changes");
}

}  // namespace v0
}  // namespace restante
