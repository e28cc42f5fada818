#pragma once
// A content store on a storage of the test's choice, and short ways to use it.

#include <map>
#include <set>

#include "content/content_store.hpp"
#include "content/pack_format.hpp"
#include "support/catch.hpp"

namespace restante::test {

inline const Id128 kTarget = *Id128::parse("00112233445566778899aabbccddeeff");

/// Small packs and frames, so that a test has many of them.
inline content::StoreOptions small_packs(const ScratchDir& scratch, std::string_view catalog = "catalog") {
  content::StoreOptions options;
  options.target_id = kTarget;
  options.catalog_dir = scratch.file(catalog);
  options.pack_bytes = 16 << 10;
  options.frame_bytes = 2 << 10;
  return options;
}

inline std::unique_ptr<content::ContentStore> open_store(std::shared_ptr<Storage> storage,
                                                         const content::StoreOptions& options) {
  auto opened = content::ContentStore::open(std::move(storage), options);
  REQUIRE_OK(opened);
  return std::move(*opened);
}

inline std::unique_ptr<content::ContentWriter> open_writer(content::ContentStore& store) {
  auto opened = store.writer();
  REQUIRE_OK(opened);
  return std::move(*opened);
}

inline Result<ContentRef> try_put(content::ContentWriter& writer, ByteView bytes) {
  const auto reader = read_from_memory(bytes);
  return writer.put(*reader, nullptr);
}

inline ContentRef put(content::ContentWriter& writer, ByteView bytes) {
  const Result<ContentRef> ref = try_put(writer, bytes);
  REQUIRE_OK(ref);
  REQUIRE(*ref == content_ref_of(bytes));
  return *ref;
}

inline Result<Bytes> get(content::ContentStore& store, const ContentRef& ref) {
  auto reader = store.open(ref);
  if (!reader.ok()) return reader.status();
  return read_all(**reader);
}

inline void require_content(content::ContentStore& store, ByteView bytes) {
  const Result<Bytes> got = get(store, content_ref_of(bytes));
  REQUIRE_OK(got);
  REQUIRE(got->size() == bytes.size());
  REQUIRE(std::equal(got->begin(), got->end(), bytes.begin()));
}

/// Text like mail: compressible, and different from call to call.
inline Bytes mail(Random& random, std::size_t size) {
  std::string text = "From: " + random.text(12) + "@example.com\r\nSubject: " + random.text(20) + "\r\n\r\n";
  while (text.size() < size) text += random.one_in(3) ? random.text(8) + " " : "the quick brown fox ";
  text.resize(size);
  return Bytes(text.begin(), text.end());
}

inline std::vector<std::string> packs_of(Storage& storage) {
  std::vector<std::string> keys;
  REQUIRE_OK(storage.list(content::kPackPrefix, [&](const ObjectInfo& object) {
    keys.push_back(object.key);
    return Status();
  }));
  return keys;
}

/// Changes bytes of an object in place.
template <class Change>
void change_object(Storage& storage, const std::string& key, Change change) {
  Result<Bytes> bytes = storage.get(key);
  REQUIRE_OK(bytes);
  change(*bytes);
  REQUIRE_OK(storage.put(key, *bytes));
}

}  // namespace restante::test
