#include "stores/scan_sink.hpp"

#include "stores/scan_match.hpp"

namespace restante::stores {
namespace {

class TranslatingTransaction final : public SinkTransaction {
 public:
  TranslatingTransaction(std::unique_ptr<SinkTransaction> below,
                         const std::map<std::string, std::string>& ids)
      : below_(std::move(below)), to_store_(ids) {
    for (const auto& [id, store_id] : ids) to_log_[store_id] = id;
  }

  Status apply(const Operation& operation, ContentOpener& content,
               std::vector<ElementOutcome>& outcomes) override {
    const std::size_t first = outcomes.size();
    Operation translated = operation;
    rename_folders(translated, to_store_);
    const Status applied = below_->apply(translated, content, outcomes);
    const auto* put = std::get_if<FolderPut>(&operation);
    if (put == nullptr) return applied;
    for (std::size_t i = first; i < outcomes.size(); ++i) {
      std::string& id = outcomes[i].id;
      const auto known = to_log_.find(id);
      if (known != to_log_.end()) id = known->second;
      if (outcomes[i].outcome == Outcome::created || id == put->folder.id) id.clear();
    }
    return applied;
  }
  Status stage(const Message& message, ContentReader& content) override {
    const auto store_id = to_store_.find(message.folder_id);
    if (store_id == to_store_.end()) return below_->stage(message, content);
    Message translated = message;
    translated.folder_id = store_id->second;
    return below_->stage(translated, content);
  }
  Status stage(const Item& item, ContentReader& content) override { return below_->stage(item, content); }
  Status commit() override { return below_->commit(); }
  void abort() override { below_->abort(); }

 private:
  std::unique_ptr<SinkTransaction> below_;
  FolderIds to_store_;
  FolderIds to_log_;
};

class TranslatingSink final : public MailSink {
 public:
  TranslatingSink(MailSink& store, StoreIds ids) : store_(store), ids_(std::move(ids)) {}

  SinkTraits traits() const override { return store_.traits(); }
  Result<std::string> find_account(std::string_view address) override { return store_.find_account(address); }
  Result<std::string> new_account_id(std::string_view address) override {
    return store_.new_account_id(address);
  }
  Result<std::unique_ptr<SinkTransaction>> begin(std::string_view account_id,
                                                 const SinkBegin& begin) override {
    Result<std::unique_ptr<SinkTransaction>> below = store_.begin(account_id, begin);
    if (!below.ok()) return below;
    return std::unique_ptr<SinkTransaction>(
        std::make_unique<TranslatingTransaction>(std::move(*below), ids_(std::string(account_id))));
  }

 private:
  MailSink& store_;
  StoreIds ids_;
};

}  // namespace

std::unique_ptr<MailSink> sink_with_ids(MailSink& store, StoreIds ids) {
  return std::make_unique<TranslatingSink>(store, std::move(ids));
}

}  // namespace restante::stores
