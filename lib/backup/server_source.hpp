#pragma once
// The server itself as an account of a source.

#include <memory>

#include <restante/mail_source.hpp>

namespace restante::backup {

// The reserved account has items only; the code for accounts reads it through this.
class ServerSource final : public MailSource {
 public:
  explicit ServerSource(MailSource& source) : source_(source) {}
  [[nodiscard]] FieldSet fields() const override { return source_.fields(); }
  [[nodiscard]] Status list_accounts(const AccountFunction&) override { return {}; }
  [[nodiscard]] Result<SnapshotInfo> snapshot(std::string_view, OpSink& out) override {
    if (Status s = source_.server_data(out); !s.ok()) return s;
    return SnapshotInfo{};
  }
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open_content(std::string_view account_id,
                                                                    const ContentPlace& place) override {
    return source_.open_content(account_id, place);
  }

 private:
  MailSource& source_;
};

}  // namespace restante::backup
