#pragma once
// Ids that a store gave to what was put into it.

#include <restante/mailbox_state.hpp>
#include <restante/redo_log.hpp>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace cli {

/// A store may give a folder or a message that comes back another id than it had, as a Maildir does. The log
/// holds both, in the begin and the commit of a restore or a replay, so that what was logged before can be
/// found again under the new id. A folder that was put back from outside is logged under a new id, for the
/// log knows that the old one went; the store still has it under the old one.
class GivenIds {
 public:
  /// Of the account, as logged behind `range.after`; `range.until` is the last that was there before the
  /// present. Damage is passed over.
  [[nodiscard]] static restante::Result<GivenIds> read(const restante::RedoLog& log,
                                                       const std::string& account,
                                                       const restante::ReadRange& range);

  /// Whether folders were logged behind the range: they may be those of the range, put back.
  [[nodiscard]] bool has_later_folders() const noexcept { return !later_folders_.empty(); }
  /// Finds those by their paths: `live` has the ids of the log, `stored` those of the store itself.
  void find_later_folders(const restante::MailboxState& live, const restante::MailboxState& stored);

  /// The id that a logged folder has in `state`: its own if it is there, else the one it was given last.
  [[nodiscard]] std::string folder(const restante::MailboxState& state, const std::string& id) const;
  /// The same for a message of a logged folder.
  [[nodiscard]] restante::MessageKey message(const restante::MailboxState& state,
                                             const restante::MessageKey& key) const;

 private:
  /// What a transaction was begun with: (operation, element) is named by `Assigned`.
  using Begun = std::vector<restante::Operation>;
  void add(const Begun& begun, const std::vector<restante::Assigned>& assigned);

  /// Of operations of the range, or of later ones.
  void note_folders(const std::vector<restante::Operation>& operations, bool later);

  std::map<std::string, std::string> folders_;
  std::set<std::string> own_folders_;
  std::set<std::string> later_folders_;
  /// By the folder's id as it was begun with.
  std::map<restante::MessageKey, std::string> messages_;
};

}  // namespace cli
