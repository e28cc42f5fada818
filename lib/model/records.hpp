#pragma once
// What replay, fold and difference do to single records, so that they do the same.

#include <restante/operation.hpp>

#include <map>
#include <string>

namespace restante::model {

/// `unsupported` if `operation` is unknown and required or holds a field that is.
[[nodiscard]] Status check_supported(const Operation& operation);

/// Makes the lists of the record sorted and free of duplicates and drops viewers without flags.
void normalise(Message& message);
void normalise(Item& item);

/// Performs `update` on a message that it addresses, in a folder of its UIDVALIDITY.
void update_flags(Message& message, const FlagsUpdate& update);

/// Raises the counters of `folder`, where they are kept, for a message or operation that names them.
void raise_uidnext(Folder& folder, std::uint32_t uid);
void raise_modseq(Folder& folder, const std::optional<std::uint64_t>& modseq);

/// `present` replaced by `put` of the same UIDVALIDITY: counters only grow.
[[nodiscard]] Folder replaced_folder(const Folder& present, const Folder& put);

/// See `MailboxState::path_of`.
[[nodiscard]] std::string path_in(const std::map<std::string, Folder>& folders, std::string_view folder_id);
/// How many ancestors `folder_id` has among `folders`; a loop counts as deep as there are folders.
[[nodiscard]] std::size_t depth_in(const std::map<std::string, Folder>& folders,
                                   const std::string& folder_id);

}  // namespace restante::model
