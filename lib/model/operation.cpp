#include <restante/operation.hpp>

#include <restante/mailbox_state.hpp>

#include <memory>

#include "base/text.hpp"

namespace restante {
inline namespace v0 {
namespace {

using base::cat;
using base::escape;

// Long ids and lists are cut: this is one line for people.
constexpr std::size_t kShownBytes = 80;
constexpr std::size_t kShownMessages = 8;

std::string shown(std::string_view bytes) {
  if (bytes.size() <= kShownBytes) return escape(bytes);
  return escape(bytes.substr(0, kShownBytes)) + "...";
}

std::string counted(std::size_t count, std::string_view noun) {
  return cat(count, " ", noun, count == 1 ? "" : "s");
}

std::string uid_list(const std::vector<std::uint32_t>& uids) {
  if (uids.empty()) return {};
  std::string text = uids.size() == 1 ? ", uid " : ", uids ";
  for (std::size_t i = 0; i < uids.size() && i < kShownMessages; ++i) text += cat(i == 0 ? "" : " ", uids[i]);
  return uids.size() > kShownMessages ? text + " ..." : text;
}

std::string set_text(const MessageSet& set) {
  std::string text = counted(set.uids.size() + set.message_ids.size(), "message") + uid_list(set.uids);
  for (std::size_t i = 0; i < set.message_ids.size() && i < kShownMessages; ++i)
    text += cat(i == 0 ? ", id " : " ", shown(set.message_ids[i]));
  return set.message_ids.size() > kShownMessages ? text + " ..." : text;
}

std::string flags_text(std::uint32_t flags) {
  static constexpr std::string_view kNames[] = {"\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"};
  std::string text;
  for (std::size_t bit = 0; bit < std::size(kNames); ++bit)
    if ((flags >> bit & 1) != 0) text += cat(" ", kNames[bit]);
  if ((flags & ~std::uint32_t{kAllSystemFlags}) != 0)
    text += cat(" +", flags & ~std::uint32_t{kAllSystemFlags});
  return text;
}

struct Describer {
  std::string operator()(const AccountPut& put) const {
    return cat(shown(put.account.id), " ", shown(put.account.address));
  }
  std::string operator()(const AccountDelete& gone) const { return shown(gone.account_id); }
  std::string operator()(const FolderPut& put) const {
    return cat(shown(put.folder.id), " \"", shown(put.folder.name), "\" uidvalidity ",
               put.folder.uidvalidity);
  }
  std::string operator()(const FolderDelete& gone) const { return shown(gone.folder_id); }
  std::string operator()(const MessagePut& put) const {
    if (put.messages.empty()) return "no messages";
    const std::string& folder_id = put.messages.front().folder_id;
    std::vector<std::uint32_t> uids;
    bool one_folder = true;
    for (const Message& message : put.messages) {
      one_folder = one_folder && message.folder_id == folder_id;
      if (message.uid != 0) uids.push_back(message.uid);
    }
    return cat(one_folder ? shown(folder_id) : "several folders", ": ",
               counted(put.messages.size(), "message"), uid_list(uids));
  }
  std::string operator()(const MessageExpunge& gone) const {
    return cat(shown(gone.folder_id), ": ", set_text(gone.messages));
  }
  std::string operator()(const FlagsUpdate& update) const {
    static constexpr std::string_view kModes[] = {" =", " +", " -"};
    const auto mode = static_cast<std::size_t>(update.mode);
    std::string text = cat(shown(update.folder_id), ": ", set_text(update.messages), ",",
                           mode < std::size(kModes) ? kModes[mode] : " ?", flags_text(update.flags));
    for (const std::string& keyword : update.keywords) text += cat(" ", shown(keyword));
    for (const std::string& tag : update.tags) text += cat(" tag:", shown(tag));
    if (!update.viewer_account.empty()) text += cat(" for ", shown(update.viewer_account));
    return text;
  }
  std::string operator()(const ItemPut& put) const {
    return cat(shown(put.item.kind), " ", shown(put.item.id));
  }
  std::string operator()(const ItemDelete& gone) const { return cat(shown(gone.kind), " ", shown(gone.id)); }
  std::string operator()(const HostOp& operation) const {
    std::string text = cat(shown(operation.host), " ", shown(operation.name));
    if (!operation.item_kind.empty())
      text += cat(" on ", shown(operation.item_kind), " ", shown(operation.item_id));
    return cat(text, ", ", counted(operation.data.size(), "byte"));
  }
  std::string operator()(const Rewind& rewind) const {
    return cat("to ", rewind.incarnation.to_string(), ":", rewind.lsn, rewind.label.empty() ? "" : " of ",
               shown(rewind.label));
  }
  std::string operator()(const UnknownOperation& operation) const {
    return cat("operation of kind ", operation.kind, operation.required ? " (required), " : ", ",
               counted(operation.bytes.size(), "byte"));
  }
};

class VectorStream final : public OpStream {
 public:
  explicit VectorStream(const std::vector<Operation>& operations) : operations_(operations) {}
  Result<bool> next(Operation& operation) override {
    if (position_ == operations_.size()) return false;
    operation = operations_[position_++];
    return true;
  }

 private:
  const std::vector<Operation>& operations_;
  std::size_t position_ = 0;
};

}  // namespace

std::string_view name_of(const Operation& operation) noexcept {
  static constexpr std::string_view kNames[] = {"AccountPut", "AccountDelete",  "FolderPut",   "FolderDelete",
                                                "MessagePut", "MessageExpunge", "FlagsUpdate", "ItemPut",
                                                "ItemDelete", "HostOp",         "Rewind",      "unknown"};
  static_assert(std::size(kNames) == std::variant_size_v<Operation>);
  return operation.index() < std::size(kNames) ? kNames[operation.index()] : "unknown";
}

std::string describe(const Operation& operation) {
  return cat(name_of(operation), " ", std::visit(Describer{}, operation));
}

Status OpVector::put(Operation operation) {
  operations.push_back(std::move(operation));
  return {};
}

std::unique_ptr<OpStream> stream_of(const std::vector<Operation>& operations) {
  return std::make_unique<VectorStream>(operations);
}

}  // namespace v0
}  // namespace restante
