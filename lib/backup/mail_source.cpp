// What a source does where its host has nothing of its own to do.

#include <restante/mail_source.hpp>

namespace restante {
inline namespace v0 {

Status MailSource::server_data(OpSink&) { return {}; }
Status MailSource::barrier(std::string_view) { return {}; }
Status MailSource::suspend(std::string_view) { return {}; }
Status MailSource::resume(std::string_view) { return {}; }
Result<SnapshotInfo> MailSource::changes_since(std::string_view, std::string_view, OpSink&) {
  return Status(Code::unsupported, "this store does not list changes");
}

}  // namespace v0
}  // namespace restante
