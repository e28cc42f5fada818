#include "stores/scan_state.hpp"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/text.hpp"
#include "base/wire.hpp"
#include "crypto/crypto.hpp"
#include "os/file.hpp"
#include "os/lock.hpp"

namespace restante::stores {
namespace {

constexpr std::string_view kMagic = "RSTSCAN\n";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kDigestBytes = 32;
constexpr std::string_view kSuffix = ".state";
constexpr std::string_view kLockSuffix = ".lock";
// A scan of a large mailbox takes seconds.
constexpr std::chrono::seconds kTakeDeadline{60};
constexpr std::chrono::milliseconds kLongestPause{20};
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{16} << 30;
constexpr std::size_t kMaxIdBytes = 1024;
// Magic, version, length and account.
constexpr std::size_t kHeadBytes = 8 + 4 + base::kMaxVarintBytes + kMaxIdBytes;

Status damaged(std::string_view what) { return Status(Code::damaged, base::cat("scan state: ", what)); }

class Collect final : public OpSink {
 public:
  explicit Collect(Bytes& out) : out_(out) {}
  Status put(Operation operation) override {
    encode(operation, out_);
    ++count_;
    return {};
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  Bytes& out_;
  std::uint64_t count_ = 0;
};

// Reads what stands before the position. Empty if it is not ours.
Result<std::string> read_head(base::ByteReader& in) {
  if (as_text(in.raw(kMagic.size())) != kMagic) return damaged("it does not begin like one");
  const std::uint32_t version = in.u32();
  if (in.ok() && version != kVersion) {
    return Status(Code::unsupported, base::cat("scan state: version ", version, " is not known"));
  }
  std::string account(in.text());
  if (!in.ok() || account.empty() || account.size() > kMaxIdBytes) return damaged("it names no account");
  return account;
}

// An account's id as a file name: what is plain stays readable, long ones are hashed.
std::string file_name_of(std::string_view account_id, std::string_view suffix = kSuffix) {
  constexpr std::size_t kMaxReadable = 200;
  std::string name;
  for (const char c : account_id) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '@' || c == '-' || c == '_' || (c == '.' && !name.empty());
    if (plain) {
      name.push_back(c);
    } else {
      name += "%" + to_hex(as_bytes(std::string_view(&c, 1)));
    }
  }
  if (name.size() > kMaxReadable) name = "sha256-" + crypto::sha256(as_bytes(account_id)).to_string();
  return name + std::string(suffix);
}

}  // namespace

Result<Bytes> encode_scan_state(const ScanState& state) {
  Bytes operations;
  Collect collect(operations);
  if (Status written = state.state.write(collect); !written.ok()) return written;

  Bytes out;
  base::ByteWriter writer(out);
  writer.raw(as_bytes(kMagic));
  writer.u32(kVersion);
  writer.text(state.account_id);
  writer.raw(state.position.log);
  writer.raw(state.position.incarnation);
  writer.u64(state.position.lsn);
  writer.varint(state.store_ids.size());
  for (const auto& [id, store_id] : state.store_ids) {
    writer.text(id);
    writer.text(store_id);
  }
  writer.varint(state.retired.size());
  for (const std::string& id : state.retired) writer.text(id);
  writer.varint(collect.count());
  writer.raw(operations);
  const Digest digest = crypto::sha256(out);
  writer.raw(digest);
  return out;
}

Result<ScanState> decode_scan_state(ByteView bytes) {
  base::ByteReader head(bytes);
  Result<std::string> account = read_head(head);
  if (!account.ok()) return account.status();
  if (bytes.size() < kDigestBytes) return damaged("it ends early");
  const ByteView body = bytes.first(bytes.size() - kDigestBytes);
  const Digest digest = crypto::sha256(body);
  if (!std::equal(digest.bytes.begin(), digest.bytes.end(), bytes.end() - kDigestBytes)) {
    return damaged("its checksum is wrong");
  }
  base::ByteReader in(body);
  ScanState state;
  state.account_id = read_head(in).value();
  state.position.log = in.id();
  state.position.incarnation = in.id();
  state.position.lsn = in.u64();
  for (std::uint64_t n = in.varint(); n > 0 && in.ok(); --n) {
    std::string id(in.text());
    state.store_ids[std::move(id)] = std::string(in.text());
  }
  for (std::uint64_t n = in.varint(); n > 0 && in.ok(); --n) state.retired.emplace(in.text());
  std::uint64_t count = in.varint();
  ByteView rest = in.raw(in.remaining());
  if (!in.ok()) return damaged("it ends early");
  for (; count > 0; --count) {
    const Result<Operation> operation = decode(rest);
    if (!operation.ok()) return operation.status().with_context("scan state");
    if (Status applied = state.state.apply(*operation); !applied.ok()) return applied;
  }
  if (!rest.empty()) return damaged("something follows its end");
  return state;
}

Result<std::string> decode_scan_account(ByteView bytes) {
  base::ByteReader in(bytes);
  return read_head(in);
}

Result<ScanStates> ScanStates::open(os::Io& io, const std::string& directory, std::string_view holder) {
  Result<os::Fd> dir = os::make_dirs(io, AT_FDCWD, directory, 0700);
  if (!dir.ok()) return dir.status();
  return ScanStates(io, std::move(*dir), holder);
}

Result<os::Fd> ScanStates::take(std::string_view account_id) const {
  const std::string name = file_name_of(account_id, kLockSuffix);
  const auto until = std::chrono::steady_clock::now() + kTakeDeadline;
  for (auto pause = std::chrono::milliseconds(1);; pause = std::min(2 * pause, kLongestPause)) {
    Result<os::Fd> taken = os::take_file(dir_.get(), name, holder_);
    if (taken.ok()) return taken;
    if (taken.status().code() != Code::busy || std::chrono::steady_clock::now() >= until)
      return taken.status().with_context(base::cat("the state of ", base::escape(account_id)));
    std::this_thread::sleep_for(pause);
  }
}

Result<ScanState> ScanStates::load(std::string_view account_id) const {
  const Result<Bytes> bytes = os::read_file(*io_, dir_.get(), file_name_of(account_id), kMaxFileBytes);
  if (!bytes.ok()) return bytes.status();
  Result<ScanState> state = decode_scan_state(*bytes);
  if (state.ok() && state->account_id != account_id) return damaged("it is of another account");
  return state;
}

Status ScanStates::store(const ScanState& state) const {
  const Result<Bytes> bytes = encode_scan_state(state);
  if (!bytes.ok()) return bytes.status();
  return os::publish_file(*io_, dir_.get(), file_name_of(state.account_id), *bytes, 0600);
}

Result<std::vector<std::string>> ScanStates::accounts() const {
  const Result<std::vector<os::DirEntry>> entries = io_->list(dir_.get());
  if (!entries.ok()) return entries.status();
  std::vector<std::string> accounts;
  for (const os::DirEntry& entry : *entries) {
    if (!entry.name.ends_with(kSuffix) || entry.name.starts_with(os::kTemporaryPrefix)) continue;
    const Result<os::Fd> fd = io_->open_at(dir_.get(), entry.name, O_RDONLY | O_NOFOLLOW, 0);
    if (!fd.ok()) continue;
    Bytes head(kHeadBytes);
    const Result<std::size_t> size = io_->pread(fd->get(), head, 0);
    if (!size.ok()) continue;
    Result<std::string> account = decode_scan_account(ByteView(head).first(*size));
    if (account.ok()) accounts.push_back(std::move(*account));
  }
  std::sort(accounts.begin(), accounts.end());
  return accounts;
}

}  // namespace restante::stores
