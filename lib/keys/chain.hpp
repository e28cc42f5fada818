#pragma once
// The chain of a server's sessions: a link for each, signed, naming the one before. docs/format/keys.md
// ("Chains"). A session whose link is missing was not made by that server; a link without session means that
// the session was removed, rolled back, or never published.
//
//     auto link = append_link(storage, sealer, holder, label, sha256(session_xml), now);   // then publish
//     auto chain = read_chain(storage, sealer, holder, remembered);

#include <string>
#include <vector>

#include <restante/storage.hpp>

#include "crypto/sealer.hpp"
#include "keys/ledger.hpp"

namespace restante::keys {

struct ChainLink {
  Id128 target{};
  std::uint32_t holder = 0;
  std::uint64_t number = 0;
  Digest previous{};
  Time time{};
  /// The session, and the SHA-256 of its session.xml as it is stored.
  std::string label{};
  Digest session{};
};

/// "chains/00000002/0000000001.link".
[[nodiscard]] std::string link_key(std::uint32_t holder, std::uint64_t number);

[[nodiscard]] Result<Bytes> encode_link(const ChainLink& link, const crypto::ObjectSealer& sealer);
/// Structure and signature. `damaged`, `unsupported`.
[[nodiscard]] Result<ChainLink> decode_link(ByteView bytes, const crypto::ObjectSealer& sealer,
                                            std::string_view where);

struct Chain {
  /// Whole and in order from 1.
  std::vector<ChainLink> links{};
  ChainHead head{};
};
/// `damaged`, with the object's name, where a link is missing or not what was written; `diverged` if
/// `remembered` is not in it: the target was rolled back.
/// Reads the links behind those that `chain` has, and adds them. What was read before a failure is added.
[[nodiscard]] Status extend_chain(Storage& storage, const crypto::ObjectSealer& sealer, const Id128& target,
                                  std::uint32_t holder, Chain& chain);
/// The same from the beginning.
[[nodiscard]] Result<Chain> read_chain(Storage& storage, const crypto::ObjectSealer& sealer,
                                       const Id128& target, std::uint32_t holder,
                                       const ChainHead& remembered = {});

/// Puts the link that announces a session, after `read_chain` answered `chain`. `busy` if another process of
/// this server put one meanwhile: read again. Not synced: the session that it announces is.
[[nodiscard]] Result<ChainHead> append_link(Storage& storage, const crypto::ObjectSealer& sealer,
                                            const ChainHead& head, ChainLink link);

/// Whether a removed holder's link still counts.
[[nodiscard]] bool counts(const Holder& holder, const Chain& chain, std::uint64_t number);

/// What a reader keeps in its state directory: the heads that it has seen. Authenticated with the holder's
/// state key; whoever can write it and has that key can make it forget.
struct RememberedHeads {
  ChainHead keys{};
  std::map<std::uint32_t, ChainHead> chains{};
  bool operator==(const RememberedHeads&) const = default;
};
[[nodiscard]] Bytes encode_heads(const RememberedHeads& heads, const Id128& target,
                                 const crypto::Key256& state_key);
/// `damaged` if it was not written with this key for this target.
[[nodiscard]] Result<RememberedHeads> decode_heads(ByteView bytes, const Id128& target,
                                                   const crypto::Key256& state_key, std::string_view where);

}  // namespace restante::keys
