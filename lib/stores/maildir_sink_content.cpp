// How content comes into a Maildir: into tmp/, before the operation that needs it or with it.

#include "base/text.hpp"
#include "stores/maildir_sink.hpp"

namespace restante::stores {

std::optional<std::int64_t> mtime_of(const Message& message) {
  if (!message.internal_date) return std::nullopt;
  return message.internal_date->us * 1000;
}

std::optional<std::int64_t> mtime_of(const Item& item) {
  return parse_time_text(attribute_of(item.attributes, attribute::kMtime));
}

Ownership MaildirTransaction::ownership_of(const Attributes& attributes) const {
  return take_ownership(attributes, model_.ownership.of_file());
}

Status MaildirTransaction::stage(const Message& message, ContentReader& content) {
  if (!message.content) return {};
  const std::optional<std::int64_t> mtime_ns = mtime_of(message);
  return stage_file({message.folder_id, message.id}, *message.content, message.attributes,
                    mtime_ns ? &*mtime_ns : nullptr, content);
}

Status MaildirTransaction::stage(const Item& item, ContentReader& content) {
  if (!item.content) return {};
  const std::optional<std::int64_t> mtime_ns = mtime_of(item);
  return stage_file({{}, item.id}, *item.content, item.attributes, mtime_ns ? &*mtime_ns : nullptr, content);
}

Status MaildirTransaction::stage_file(StagedKey key, const ContentRef& ref, const Attributes& attributes,
                                      const std::int64_t* mtime_ns, ContentReader& content) {
  if (ended_) return Status(Code::invalid_argument, "the transaction has ended");
  const Ownership ownership = ownership_of(attributes);
  Stage::File file;
  const Stage::Failure failure = stage_.write(content, ref.size, ownership, mtime_ns, file);
  if (!failure.status.ok()) return failure.status;
  const std::scoped_lock lock(staged_mutex_);
  const auto [place, is_first] = staged_.try_emplace(std::move(key), StagedFile{file.name, ref, ownership});
  if (!is_first) stage_.remove(file.name);
  return {};
}

// Leaves `name` empty if nothing was staged, or something else.
Status MaildirTransaction::take_staged(const StagedKey& key, const ContentRef& ref,
                                       const Attributes& attributes, std::string& name) {
  const std::scoped_lock lock(staged_mutex_);
  const auto found = staged_.find(key);
  if (found == staged_.end() || found->second.content != ref) return {};
  const Ownership ownership = ownership_of(attributes);
  if (ownership != found->second.ownership) {
    if (Status owned = stage_.own(found->second.name, ownership); !owned.ok()) return owned;
  }
  name = std::move(found->second.name);
  staged_.erase(found);
  return {};
}

// A failure of the content refuses the object; a failure of the store ends the restore of the account.
Status MaildirTransaction::put_content(const StagedKey& key, const ContentRef& ref,
                                       const Attributes& attributes, const std::int64_t* mtime_ns,
                                       ContentOpener& content, std::string& name, ElementOutcome& outcome) {
  if (Status taken = take_staged(key, ref, attributes, name); !taken.ok() || !name.empty()) return taken;
  const Result<std::unique_ptr<ContentReader>> reader = content.open(ref);
  if (!reader.ok()) {
    refuse(outcome, base::cat("its content cannot be read: ", reader.status().message()));
    return {};
  }
  Stage::File file;
  const Stage::Failure failure = stage_.write(**reader, ref.size, ownership_of(attributes), mtime_ns, file);
  name = file.name;
  if (failure.status.ok()) return {};
  if (!failure.content) return failure.status;
  refuse(outcome, base::cat("its content cannot be read: ", failure.status.message()));
  return {};
}

}  // namespace restante::stores
