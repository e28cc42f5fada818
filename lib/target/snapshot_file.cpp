#include "target/snapshot_file.hpp"

#include "base/crc32c.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/wire.hpp"
#include "content/content_store.hpp"
#include "crypto/crypto.hpp"

namespace restante::target {
namespace {

constexpr std::string_view kSnapshotMagic = "RSTSNAP1";
constexpr std::uint16_t kSnapshotVersion = 1;
constexpr std::size_t kKeyIdOffset = 12;
constexpr std::size_t kFrameHeaderBytes = 12;
constexpr std::size_t kEndFrameBytes = 40;

// The head of a section. In a target with keys the account's id is not in it, but in what its frames are
// bound to.
struct Section {
  Section(const SnapshotSite& site, const Id128& key_id, std::string_view account_id) {
    const bool is_sealed = site.sealer.encrypts();
    base::ByteWriter writer(header);
    writer.raw(as_bytes(kSnapshotMagic));
    writer.u16(kSnapshotVersion);
    writer.u16(0);  // required features
    writer.raw(key_id);
    writer.raw(site.target);
    writer.text(is_sealed ? std::string_view() : account_id);
    // Not continued behind itself: a CRC over its own bytes is the same for all headers.
    checksum = base::crc32c(header);
    writer.u32(checksum);
    base::ByteWriter bound(context);
    bound.raw(header);
    bound.text(account_id);
  }
  Bytes header;
  Bytes context;
  std::uint32_t checksum = 0;
};

std::uint32_t frame_checksum(const Section& section, std::uint64_t ordinal, std::uint32_t raw_length,
                             ByteView stored) {
  Bytes place;
  base::ByteWriter writer(place);
  writer.u64(ordinal);
  writer.u32(raw_length);
  writer.u32(static_cast<std::uint32_t>(stored.size()));
  return base::crc32c(stored, base::crc32c(place, section.checksum));
}

}  // namespace

std::string SnapshotObjects::next_name() {
  const std::scoped_lock lock(mutex_);
  return base::cat("snapshots/", base::padded(++named_, 4), ".snap");
}

Status SnapshotObjects::put(std::string_view name, ByteView bytes) {
  const std::scoped_lock lock(mutex_);
  return publication_.put(name, bytes);
}

struct SnapshotWriter::State {
  SnapshotObjects& objects;
  SnapshotSite site;
  int level;

  // What is not put yet, and its name; empty if nothing is.
  Bytes object;
  std::string object_name;

  // Of the section being written.
  SnapshotPlace place;
  Bytes raw;
  crypto::Sha256 digest;
  std::optional<Section> section;
  std::unique_ptr<crypto::BlockSealer> blocks;
  std::uint64_t frames = 0;

  void append(ByteView bytes) {
    if (object_name.empty()) object_name = objects.next_name();
    if (place.parts.empty() || place.parts.back().object != object_name)
      place.parts.push_back({object_name, object.size(), 0});
    object.insert(object.end(), bytes.begin(), bytes.end());
    place.parts.back().length += bytes.size();
  }

  [[nodiscard]] Status put_object() {
    if (object.empty()) return {};
    if (Status s = objects.put(object_name, object); !s.ok()) return s;
    object_name.clear();
    object.clear();
    return {};
  }

  // `raw_length` is 0 of the last.
  [[nodiscard]] Status append_frame(std::uint32_t raw_length, ByteView bytes) {
    Bytes stored;
    const crypto::Last last = raw_length == 0 ? crypto::Last::yes : crypto::Last::no;
    if (Status s = blocks->seal(frames, last, section->context, bytes, stored); !s.ok()) return s;
    Bytes header;
    base::ByteWriter writer(header);
    writer.u32(raw_length);
    writer.u32(static_cast<std::uint32_t>(stored.size()));
    writer.u32(frame_checksum(*section, frames, raw_length, stored));
    append(header);
    append(stored);
    ++frames;
    return object.size() < base::kSnapshotObjectBytes ? Status{} : put_object();
  }

  [[nodiscard]] Status flush_raw() {
    if (raw.empty()) return {};
    digest.update(raw);
    const Bytes stored = content::compress(raw, level);
    const auto raw_length = static_cast<std::uint32_t>(raw.size());
    raw.clear();
    return append_frame(raw_length, stored);
  }
};

SnapshotWriter::SnapshotWriter(SnapshotObjects& objects, SnapshotSite site, int compression_level)
    : state_(new State{
          objects, std::move(site), compression_level, {}, {}, {}, {}, {}, std::nullopt, nullptr, 0}) {}
SnapshotWriter::~SnapshotWriter() = default;

Status SnapshotWriter::begin(std::string_view account_id) {
  State& s = *state_;
  s.place = {};
  s.raw.clear();
  s.digest = crypto::Sha256();
  s.frames = 0;
  const crypto::ObjectSealer& sealer = s.site.sealer;
  s.section.emplace(s.site, sealer.key_id(crypto::Audience::metadata), account_id);
  s.append(s.section->header);
  const std::string key = s.site.prefix + s.object_name;
  Result<std::unique_ptr<crypto::BlockSealer>> blocks =
      sealer.begin({crypto::ObjectKind::snapshot, key}, crypto::Audience::metadata);
  if (!blocks.ok()) return blocks.status();
  s.blocks = *std::move(blocks);
  s.append(s.blocks->envelope());
  return {};
}

Status SnapshotWriter::put(const Operation& operation) {
  State& s = *state_;
  encode(operation, s.raw);
  ++s.place.operations;
  return s.raw.size() < base::kSnapshotFrameBytes ? Status{} : s.flush_raw();
}

Result<SnapshotPlace> SnapshotWriter::end() {
  State& s = *state_;
  if (Status status = s.flush_raw(); !status.ok()) return status;
  s.place.digest = s.digest.finish();
  Bytes last;
  base::ByteWriter writer(last);
  writer.u64(s.place.operations);
  writer.raw(s.place.digest);
  if (Status status = s.append_frame(0, last); !status.ok()) return status;
  return std::move(s.place);
}

Status SnapshotWriter::finish() { return state_->put_object(); }

namespace {

// The parts of a section as one run of bytes, read ahead in large steps.
class SectionReader {
 public:
  SectionReader(std::shared_ptr<Storage> storage, std::string prefix, std::vector<ObjectPart> parts)
      : storage_(std::move(storage)), prefix_(std::move(prefix)), parts_(std::move(parts)) {}

  [[nodiscard]] Result<ByteView> take(std::size_t size) {
    while (buffer_.size() - at_ < size) {
      if (Status s = fill(size); !s.ok()) return s;
    }
    const ByteView bytes(buffer_.data() + at_, size);
    at_ += size;
    return bytes;
  }
  [[nodiscard]] bool at_end() const { return at_ == buffer_.size() && part_ == parts_.size(); }
  [[nodiscard]] std::string where() const {
    return prefix_ + (parts_.empty() ? "" : parts_[std::min(part_, parts_.size() - 1)].object);
  }

 private:
  [[nodiscard]] Status fill(std::size_t wanted) {
    if (part_ == parts_.size()) return Status(Code::damaged, base::cat(where(), ": snapshot ends too early"));
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ = 0;
    const ObjectPart& part = parts_[part_];
    const std::uint64_t step = std::min<std::uint64_t>(
        part.length - offset_, std::max<std::uint64_t>(wanted, base::kSnapshotReadBytes));
    Result<Bytes> bytes = storage_->get_range(prefix_ + part.object, part.offset + offset_, step);
    if (!bytes.ok()) return bytes.status();
    buffer_.insert(buffer_.end(), bytes->begin(), bytes->end());
    offset_ += step;
    if (offset_ == part.length) {
      ++part_;
      offset_ = 0;
    }
    return {};
  }

  std::shared_ptr<Storage> storage_;
  std::string prefix_;
  std::vector<ObjectPart> parts_;
  std::size_t part_ = 0;
  std::uint64_t offset_ = 0;
  Bytes buffer_;
  std::size_t at_ = 0;
};

class SnapshotStream final : public OpStream {
 public:
  SnapshotStream(SectionReader reader, Section section, std::unique_ptr<crypto::BlockOpener> opener,
                 const Digest& digest)
      : reader_(std::move(reader)),
        section_(std::move(section)),
        opener_(std::move(opener)),
        expected_(digest) {}

  [[nodiscard]] Result<bool> next(Operation& operation) override {
    while (rest_.empty()) {
      if (ended_) return false;
      if (Status s = read_frame(); !s.ok()) return s;
    }
    Result<Operation> decoded = decode(rest_);
    if (!decoded.ok()) return decoded.status().with_context(reader_.where());
    ++operations_;
    operation = *std::move(decoded);
    return true;
  }

 private:
  [[nodiscard]] Status read_frame() {
    Result<ByteView> header = reader_.take(kFrameHeaderBytes);
    if (!header.ok()) return header.status();
    base::ByteReader fields(*header);
    const std::uint32_t raw_length = fields.u32();
    const std::uint32_t stored_length = fields.u32();
    const std::uint32_t checksum = fields.u32();
    if (stored_length > base::kSnapshotMaxFrameBytes || raw_length > base::kSnapshotMaxFrameBytes)
      return damaged("impossible frame length");
    Result<ByteView> stored = reader_.take(stored_length);
    if (!stored.ok()) return stored.status();
    if (checksum != frame_checksum(section_, frames_, raw_length, *stored))
      return damaged(base::cat("checksum of frame ", frames_, " is wrong"));
    const crypto::Last last = raw_length == 0 ? crypto::Last::yes : crypto::Last::no;
    Bytes bytes;
    if (Status s = opener_->open(frames_, last, section_.context, *stored, bytes); !s.ok()) return s;
    ++frames_;
    if (raw_length == 0) return read_end(bytes);
    Result<Bytes> raw = content::decompress(bytes, raw_length);
    if (!raw.ok()) return raw.status().with_context(reader_.where());
    if (raw->size() != raw_length) return damaged("frame has another length than it says");
    raw_ = *std::move(raw);
    digest_.update(raw_);
    rest_ = raw_;
    return {};
  }

  [[nodiscard]] Status read_end(ByteView end) {
    base::ByteReader fields(end);
    const std::uint64_t operations = fields.u64();
    const Digest digest = fields.digest();
    if (end.size() != kEndFrameBytes || operations != operations_ || digest != digest_.finish())
      return damaged("the end does not match what stands before it");
    if (digest != expected_) return damaged("not the snapshot that its session names");
    if (!reader_.at_end()) return damaged("bytes behind the end of the snapshot");
    ended_ = true;
    return {};
  }

  [[nodiscard]] Status damaged(std::string_view what) const {
    return Status(Code::damaged, base::cat(reader_.where(), ": ", what));
  }

  SectionReader reader_;
  const Section section_;
  const std::unique_ptr<crypto::BlockOpener> opener_;
  const Digest expected_;
  crypto::Sha256 digest_;
  Bytes raw_;
  ByteView rest_;
  std::uint64_t frames_ = 0;
  std::uint64_t operations_ = 0;
  bool ended_ = false;
};

}  // namespace

Result<std::unique_ptr<OpStream>> read_snapshot(std::shared_ptr<Storage> storage, const SnapshotSite& site,
                                                SnapshotPlace place, std::string account_id) {
  const std::string key = site.prefix + (place.parts.empty() ? std::string() : place.parts.front().object);
  SectionReader reader(std::move(storage), site.prefix, std::move(place.parts));
  const Result<ByteView> header = reader.take(Section(site, {}, account_id).header.size());
  if (!header.ok()) return header.status();
  // Of a target with keys, that of the epoch in which it was written.
  base::ByteReader key_id(header->subspan(kKeyIdOffset));
  Section section(site, site.sealer.encrypts() ? key_id.id() : Id128{}, account_id);
  if (!std::equal(section.header.begin(), section.header.end(), header->begin()))
    return Status(Code::damaged, base::cat(reader.where(), ": not the snapshot of account ",
                                           base::escape(account_id), " in this target"));
  Bytes envelope;
  if (site.sealer.encrypts()) {
    const Result<ByteView> bytes = reader.take(crypto::kEnvelopeBytes);
    if (!bytes.ok()) return bytes.status();
    envelope.assign(bytes->begin(), bytes->end());
  }
  Result<std::unique_ptr<crypto::BlockOpener>> opener =
      site.sealer.open({crypto::ObjectKind::snapshot, key}, crypto::Audience::metadata, envelope);
  if (!opener.ok()) return opener.status();
  return std::unique_ptr<OpStream>(
      new SnapshotStream(std::move(reader), std::move(section), *std::move(opener), place.digest));
}

}  // namespace restante::target
