#include "redo/consumers.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "base/crc32c.hpp"
#include "base/wire.hpp"
#include "os/file.hpp"

namespace restante::redo {
namespace {

constexpr std::array<std::uint8_t, 8> kConsumersMagic = {0x89, 'r', 'c', 'o', 'n', '\r', '\n', 0x1a};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint8_t kLost = 1;
// Thousands of consumers with long names; anything larger is not this file.
constexpr std::uint64_t kMaxFileBytes = 4u << 20;

Status damaged_consumers(std::string why) {
  return Status(Code::damaged, "the list of consumers (redo.consumers) cannot be read: " + why,
                "remove the file and register the consumers again");
}

}  // namespace

Bytes encode_consumers(const ConsumerList& list) {
  Bytes out;
  base::ByteWriter writer(out);
  writer.raw(ByteView(kConsumersMagic));
  writer.u32(kVersion);
  writer.u32(static_cast<std::uint32_t>(list.consumers.size()));
  writer.raw(list.log);
  writer.raw(list.incarnation);
  for (const Consumer& consumer : list.consumers) {
    writer.u64(consumer.position);
    writer.u64(consumer.max_bytes);
    writer.u64(static_cast<std::uint64_t>(consumer.max_age.count()));
    writer.u8(consumer.lost ? kLost : 0);
    writer.u8(0);
    writer.u16(static_cast<std::uint16_t>(consumer.name.size()));
    writer.raw(as_bytes(consumer.name));
  }
  writer.u32(base::crc32c(out));
  return out;
}

Result<ConsumerList> decode_consumers(ByteView bytes) {
  if (bytes.size() < kConsumersMagic.size() + 4 ||
      !std::equal(kConsumersMagic.begin(), kConsumersMagic.end(), bytes.begin())) {
    return damaged_consumers("it is something else");
  }
  const std::size_t covered = bytes.size() - 4;
  base::ByteReader tail(bytes.subspan(covered));
  if (tail.u32() != base::crc32c(bytes.first(covered))) return damaged_consumers("its checksum is wrong");
  base::ByteReader reader(bytes.subspan(kConsumersMagic.size(), covered - kConsumersMagic.size()));
  if (reader.u32() != kVersion) {
    return Status(Code::unsupported, "the list of consumers (redo.consumers) is of a newer version",
                  "use a newer version of restante");
  }
  const std::uint32_t count = reader.u32();
  ConsumerList list;
  list.log = reader.id();
  list.incarnation = reader.id();
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
    Consumer consumer;
    consumer.position = reader.u64();
    consumer.max_bytes = reader.u64();
    const std::uint64_t max_age = reader.u64();
    if (max_age > static_cast<std::uint64_t>(kMostConsumerAge.count()))
      return damaged_consumers("it has an age limit of more than a thousand years");
    consumer.max_age = std::chrono::seconds(max_age);
    consumer.lost = (reader.u8() & kLost) != 0;
    (void)reader.u8();
    const std::size_t length = reader.u16();
    consumer.name = as_text(reader.raw(length));
    list.consumers.push_back(std::move(consumer));
  }
  if (!reader.ok()) return damaged_consumers("it is cut short");
  return list;
}

Result<ConsumerList> load_consumers(os::Io& io, int directory) {
  const Result<Bytes> bytes = os::read_file(io, directory, std::string(kConsumersName), kMaxFileBytes);
  if (!bytes.ok() && bytes.status().code() == Code::not_found) return ConsumerList{};
  if (!bytes.ok()) return bytes.status();
  return decode_consumers(*bytes);
}

Status store_consumers(os::Io& io, int directory, const ConsumerList& list) {
  return os::publish_file(io, directory, std::string(kConsumersName), encode_consumers(list), 0600);
}

}  // namespace restante::redo
