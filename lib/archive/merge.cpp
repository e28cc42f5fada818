#include "archive/merge.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "archive/names.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "crypto/crypto.hpp"
#include "stores/maildir_attributes.hpp"

namespace restante::archive {
namespace {

using Levels = std::vector<std::string>;
// To the second: other programs keep no more of it.
using Likeness = std::pair<Digest, std::optional<std::int64_t>>;

std::optional<std::int64_t> second_of(const Message& message) {
  if (!message.internal_date) return std::nullopt;
  return message.internal_date->us / 1'000'000;
}

class Merging {
 public:
  Merging(const MergeJob& job, MailboxState& wanted) : job_(job), wanted_(wanted) {
    for (const auto& [id, folder] : job.live.folders())
      live_.emplace(comparable(levels_of(job.live.folders(), id)), id);
  }

  [[nodiscard]] Result<MergeReport> run() {
    for (const auto& [id, folder] : job_.archived.folders())
      if (Status s = add_folder(id); !s.ok()) return s;
    for (const auto& [key, message] : job_.live.messages())
      live_messages_[message.folder_id].push_back(&message);
    std::map<std::string, std::vector<const Message*>> by_folder;
    for (const auto& [key, message] : job_.archived.messages())
      by_folder[message.folder_id].push_back(&message);
    for (const auto& [folder_id, messages] : by_folder)
      if (Status s = add_messages(ids_.at(folder_id), messages); !s.ok()) return s;
    if (Status s = add_items(); !s.ok()) return s;
    if (!job_.archived.host_ops().empty() || !job_.archived.unknown_operations().empty())
      report_.warnings.emplace_back("operations that only the server understands are left out");
    return std::move(report_);
  }

 private:
  [[nodiscard]] Levels place_of(const std::string& folder_id) const {
    Levels place;
    if (!job_.below.empty()) place = levels_of_path(job_.below);
    const Levels levels = comparable(levels_of(job_.archived.folders(), folder_id));
    place.insert(place.end(), levels.begin(), levels.end());
    return place;
  }

  [[nodiscard]] Status add_folder(const std::string& archived_id) {
    const Levels place = place_of(archived_id);
    const Result<std::string> id = make_folder(place, &job_.archived.folders().at(archived_id));
    if (!id.ok()) return id.status();
    ids_[archived_id] = *id;
    return {};
  }

  // The live folder at `place`, made with those above it. `like`: of the archive.
  [[nodiscard]] Result<std::string> make_folder(const Levels& place, const Folder* like) {
    if (const auto there = live_.find(place); there != live_.end()) return there->second;
    Folder folder;
    if (like && job_.below.empty()) folder = *like;
    if (!job_.below.empty() || !like || wanted_.folders().contains(folder.id)) {
      folder = {};
      folder.id = new_id(place);
    }
    folder.name = place.back();
    folder.parent_id.clear();
    if (place.size() > 1) {
      const Levels above(place.begin(), place.end() - 1);
      const Result<std::string> parent = make_folder(above, archived_at(above));
      if (!parent.ok()) return parent;
      folder.parent_id = *parent;
    }
    // Its server assigns them.
    folder.uidvalidity = 0;
    if (folder.uidnext) folder.uidnext = 1;
    if (folder.highest_modseq) folder.highest_modseq = 1;
    if (has_special_use(folder.special_use)) folder.special_use.clear();
    std::string id = folder.id;
    if (Status s = wanted_.apply(FolderPut{std::move(folder)}); !s.ok()) return s;
    live_.emplace(place, id);
    return id;
  }

  [[nodiscard]] const Folder* archived_at(const Levels& place) const {
    for (const auto& [id, folder] : job_.archived.folders())
      if (place_of(id) == place) return &folder;
    return nullptr;
  }

  // Follows from the place and from what is there, so that planning again gives the same.
  [[nodiscard]] std::string new_id(const Levels& place) const {
    for (std::uint64_t n = 0;; ++n) {
      std::string text = base::cat("restante import ", n);
      for (const std::string& level : place) text += base::cat('\0', level);
      std::string id = crypto::sha256(as_bytes(text)).to_string().substr(0, 32);
      if (!wanted_.folders().contains(id)) return id;
    }
  }

  [[nodiscard]] bool has_special_use(const std::string& special_use) const {
    return !special_use.empty() &&
           std::any_of(wanted_.folders().begin(), wanted_.folders().end(),
                       [&](const auto& entry) { return entry.second.special_use == special_use; });
  }

  [[nodiscard]] Status add_messages(const std::string& folder_id,
                                    const std::vector<const Message*>& messages) {
    std::multiset<Likeness> present;
    if (Status s = find_present(folder_id, messages, present); !s.ok()) return s;
    if (Status s = make_real(folder_id); !s.ok()) return s;
    const std::uint32_t uidvalidity = wanted_.folders().at(folder_id).uidvalidity;
    for (const Message* archived : messages) {
      if (take(present, *archived)) {
        ++report_.present;
        continue;
      }
      Message message = *archived;
      message.folder_id = folder_id;
      message.uidvalidity = uidvalidity;
      message.uid = 0;
      message.modseq.reset();
      for (std::uint64_t n = 2; wanted_.messages().contains({folder_id, message.id}); ++n) {
        // An id at the limit of its length makes room.
        const std::string suffix = base::cat('~', n);
        message.id = archived->id.substr(0, base::kMaxIdBytes - suffix.size()) + suffix;
      }
      if (Status s = wanted_.apply(MessagePut{{std::move(message)}, {}}); !s.ok()) return s;
    }
    return {};
  }

  // A folder that was there for the ones below it only gets a place for mail.
  [[nodiscard]] Status make_real(const std::string& folder_id) {
    Folder folder = wanted_.folders().at(folder_id);
    if (folder.attributes.erase(stores::attribute::kNonexistent) == 0) return {};
    return wanted_.apply(FolderPut{std::move(folder)});
  }

  // What the folder has. Messages without a known digest are read if one with their date is to come.
  [[nodiscard]] Status find_present(const std::string& folder_id, const std::vector<const Message*>& messages,
                                    std::multiset<Likeness>& present) {
    std::set<std::optional<std::int64_t>> seconds;
    for (const Message* message : messages) seconds.insert(second_of(*message));
    for (const Message* message : live_messages_[folder_id]) {
      if (message->content) {
        present.emplace(message->content->digest, second_of(*message));
        continue;
      }
      if (!seconds.contains(second_of(*message)) && !seconds.contains(std::nullopt)) continue;
      const Result<std::optional<Digest>> digest = read_digest(*message);
      if (!digest.ok()) return digest.status();
      if (*digest) present.emplace(**digest, second_of(*message));
    }
    return {};
  }

  // Nothing if it has gone since.
  [[nodiscard]] Result<std::optional<Digest>> read_digest(const Message& message) {
    ContentPlace place;
    place.folder_id = message.folder_id;
    place.message_id = message.id;
    place.uid = message.uid;
    const Result<std::unique_ptr<ContentReader>> reader = job_.source->open_content(job_.account_id, place);
    if (reader.status().code() == Code::not_found) return std::optional<Digest>();
    if (!reader.ok()) return reader.status();
    const Result<ContentRef> content = content_ref_of(**reader);
    if (!content.ok()) return content.status();
    return std::optional(content->digest);
  }

  // One of those that are like `message`, each once. A message without a date is like any of its bytes.
  [[nodiscard]] static bool take(std::multiset<Likeness>& present, const Message& message) {
    auto found = present.find({message.content->digest, second_of(message)});
    if (found == present.end() && !message.internal_date) {
      found = present.lower_bound({message.content->digest, std::nullopt});
      if (found != present.end() && found->first != message.content->digest) found = present.end();
    }
    if (found == present.end()) return false;
    present.erase(found);
    return true;
  }

  [[nodiscard]] Status add_items() {
    const auto& items = job_.archived.items();
    if (!job_.below.empty()) {
      if (!items.empty())
        report_.warnings.push_back(base::cat(items.size(), " items that are no mail are left out of a copy"));
      return {};
    }
    for (const auto& [key, archived] : items) {
      if (const auto there = job_.live.items().find(key); there != job_.live.items().end()) {
        if (there->second.content != archived.content) ++report_.items_left;
        continue;
      }
      Item item = archived;
      if (!item.folder_id.empty()) {
        const auto id = ids_.find(item.folder_id);
        if (id == ids_.end()) continue;
        item.folder_id = id->second;
      }
      if (Status s = wanted_.apply(ItemPut{std::move(item)}); !s.ok()) return s;
    }
    if (report_.items_left > 0)
      report_.warnings.push_back(base::cat(
          report_.items_left, " items are in the account already, otherwise, and stay as they are"));
    return {};
  }

  const MergeJob& job_;
  MailboxState& wanted_;
  MergeReport report_;
  std::map<Levels, std::string> live_;
  // Of the archive -> of the account.
  std::map<std::string, std::string> ids_;
  std::map<std::string, std::vector<const Message*>> live_messages_;
};

}  // namespace

Result<MergeReport> merge(const MergeJob& job, MailboxState& wanted) { return Merging(job, wanted).run(); }

}  // namespace restante::archive
