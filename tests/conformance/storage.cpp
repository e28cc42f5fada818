#include "conformance/storage.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

namespace restante::conformance {
namespace {

// One check: two handles on an empty place, and the first thing that was wrong.
class Check {
 public:
  Check(Storage& first, Storage& second) : storage(first), other(second) {}

  Storage& storage;
  Storage& other;

  void that(bool holds, const std::string& what) {
    if (!holds && failure.empty()) failure = what;
  }
  void ok(const Status& status, const std::string& what) {
    that(status.ok(), what + ": " + status.to_string());
  }
  void fails(const Status& status, Code code, const std::string& what) {
    that(status.code() == code, what + " answered " + std::string(name_of(status.code())) + " instead of " +
                                    std::string(name_of(code)));
  }
  void holds(std::string_view key, std::string_view bytes) {
    const Result<Bytes> got = other.get(key);
    ok(got.status(), "get " + std::string(key));
    if (got.ok()) that(as_text(*got) == bytes, std::string(key) + " has other bytes than were put");
  }
  void put(std::string_view key, std::string_view bytes) {
    ok(storage.put(key, as_bytes(bytes)), "put " + std::string(key));
  }
  void lists(std::string_view prefix, const std::vector<std::string>& keys) {
    const std::vector<std::string> found = list(prefix);
    std::string text;
    for (const std::string& key : found) text += " " + key;
    that(found == keys, "list of \"" + std::string(prefix) + "\" was:" + text);
  }
  std::vector<std::string> list(std::string_view prefix) {
    std::vector<std::string> keys;
    ok(other.list(prefix,
                  [&](const ObjectInfo& object) {
                    keys.push_back(object.key);
                    return Status();
                  }),
       "list");
    return keys;
  }

  std::string failure;
};

void put_replaces(Check& check) {
  check.put("a/b", "one");
  check.holds("a/b", "one");
  check.put("a/b", "another, longer than before");
  check.holds("a/b", "another, longer than before");
  check.put("a/b", "");
  check.holds("a/b", "");
  check.put("top", "at the root");
  check.holds("top", "at the root");
}

void put_if_absent_keeps(Check& check) {
  check.ok(check.storage.put_if_absent("x/y.pack", as_bytes("first")), "put_if_absent");
  check.fails(check.storage.put_if_absent("x/y.pack", as_bytes("second")), Code::already_exists,
              "a second one");
  check.fails(check.other.put_if_absent("x/y.pack", as_bytes("third")), Code::already_exists,
              "another handle's");
  check.holds("x/y.pack", "first");
  check.ok(check.storage.remove("x/y.pack"), "remove");
  check.ok(check.other.put_if_absent("x/y.pack", as_bytes("again")), "put_if_absent after remove");
  check.holds("x/y.pack", "again");
}

void keys_are_checked(Check& check) {
  const std::string long_component(256, 'a');
  std::string long_key = "a";
  while (long_key.size() <= 1024) long_key += "/aaaaaaaa";
  for (const std::string& key :
       {std::string(), std::string("/"), std::string("/a"), std::string("a/"), std::string("a//b"),
        std::string("."), std::string(".."), std::string("a/../b"), std::string("a/./b"), std::string("a b"),
        std::string("\xc3\xa4"), std::string("a~"), std::string("a\0b", 3), long_component, long_key}) {
    const std::string what = "key \"" + key + "\"";
    check.fails(check.storage.put(key, as_bytes("x")), Code::invalid_argument, "put of " + what);
    check.fails(check.storage.put_if_absent(key, as_bytes("x")), Code::invalid_argument,
                "put_if_absent of " + what);
    check.fails(check.storage.get(key).status(), Code::invalid_argument, "get of " + what);
    check.fails(check.storage.get_range(key, 0, 1).status(), Code::invalid_argument, "get_range of " + what);
    check.fails(check.storage.info(key).status(), Code::invalid_argument, "info of " + what);
    check.fails(check.storage.remove(key), Code::invalid_argument, "remove of " + what);
  }
  const std::string longest_component(255, 'z');
  const std::string longest_key = longest_component + '/' + longest_component + '/' + longest_component +
                                  '/' + std::string(254, 'z') + "/k";
  for (const std::string& key : {std::string("..."), std::string(".hidden"), std::string("-"),
                                 std::string("a..b"), std::string("AZaz09._-"), longest_key}) {
    check.put(key, key);
    check.holds(key, key);
  }
  check.fails(check.storage.list("no-slash", [](const ObjectInfo&) { return Status(); }),
              Code::invalid_argument, "a prefix without slash");
  check.fails(check.storage.list("../", [](const ObjectInfo&) { return Status(); }), Code::invalid_argument,
              "a prefix that leads out");
}

void absent_objects(Check& check) {
  check.put("d/there", "x");
  for (const char* key : {"d/nothing", "e/f/g", "d", "d/there/below"}) {
    check.fails(check.storage.get(key).status(), Code::not_found, std::string("get of ") + key);
    check.fails(check.storage.get_range(key, 0, 0).status(), Code::not_found,
                std::string("get_range of ") + key);
    check.fails(check.storage.info(key).status(), Code::not_found, std::string("info of ") + key);
    check.ok(check.storage.remove(key), std::string("remove of ") + key);
  }
  check.holds("d/there", "x");
}

void ranges(Check& check) {
  check.put("r", "0123456789");
  const auto range = [&](std::uint64_t offset, std::uint64_t length, std::string_view expected) {
    const Result<Bytes> got = check.other.get_range("r", offset, length);
    check.ok(got.status(), "a range");
    if (got.ok()) check.that(as_text(*got) == expected, "a range has other bytes");
  };
  range(0, 10, "0123456789");
  range(3, 4, "3456");
  range(9, 1, "9");
  range(10, 0, "");
  check.fails(check.storage.get_range("r", 0, 11).status(), Code::damaged, "a range past the end");
  check.fails(check.storage.get_range("r", 11, 0).status(), Code::damaged, "a range behind the end");
  check.fails(check.storage.get_range("r", 1, UINT64_MAX).status(), Code::damaged, "a range that overflows");
  check.fails(check.storage.get_range("r", UINT64_MAX, 1).status(), Code::damaged,
              "an offset that overflows");
  check.fails(check.storage.get("r", 9).status(), Code::no_space, "get with a limit below the size");
  check.ok(check.storage.get("r", 10).status(), "get with a limit of the size");
  const Result<ObjectInfo> info = check.other.info("r");
  check.ok(info.status(), "info");
  if (info.ok()) check.that(info->size == 10 && info->key == "r", "info is wrong");
}

void lists_are_sorted(Check& check) {
  const std::vector<std::string> keys = {"a",    "b-c", "b.d", "b/c",  "b/d/e",
                                         "b/d0", "b0",  "c/-", "c/.x", "c/1"};
  std::vector<std::string> shuffled(keys.rbegin(), keys.rend());
  std::rotate(shuffled.begin(), shuffled.begin() + 3, shuffled.end());
  for (const std::string& key : shuffled) check.put(key, key);
  check.lists("", keys);
  check.lists("b/", {"b/c", "b/d/e", "b/d0"});
  check.lists("b/d/", {"b/d/e"});
  check.lists("nothing/", {});
  check.lists("a/", {});
}

void lists_stop_and_allow_calls(Check& check) {
  for (const char* key : {"l/1", "l/2", "l/3", "l/4"}) check.put(key, key);
  int seen = 0;
  const Status stopped = check.storage.list(
      "l/", [&](const ObjectInfo&) { return ++seen == 2 ? Status(Code::cancelled, "enough") : Status(); });
  check.fails(stopped, Code::cancelled, "a list that its callback ended");
  check.that(seen == 2, "the list went on after its callback failed");
  check.ok(check.storage.list("l/",
                              [&](const ObjectInfo& object) {
                                check.that(object.size == 3, "the size in a list is wrong");
                                return check.storage.remove(object.key);
                              }),
           "a list whose callback removes");
  check.lists("l/", {});
}

void removed_is_gone(Check& check) {
  check.put("p/q/r", "x");
  check.ok(check.storage.remove("p/q/r"), "remove");
  check.fails(check.other.get("p/q/r").status(), Code::not_found, "get after remove");
  check.lists("", {});
  check.put("p", "an object where a prefix was");
  check.holds("p", "an object where a prefix was");
}

void large_objects(Check& check) {
  std::string bytes(9'000'001, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 13);
  check.put("large", bytes);
  check.holds("large", bytes);
}

void sync_answers(Check& check) {
  check.ok(check.storage.sync(), "sync of nothing");
  check.put("s", "x");
  check.ok(check.storage.sync(), "sync");
  check.ok(check.other.sync(), "sync by another handle");
  check.holds("s", "x");
}

// Readers see whole objects while one object is replaced again and again.
void readers_see_whole_objects(Check& check) {
  const auto bytes_of = [](int round) {
    return std::string(1000 + static_cast<std::size_t>(round % 7) * 9973,
                       static_cast<char>('a' + round % 26));
  };
  check.put("whole", bytes_of(0));
  std::atomic<bool> done{false};
  std::atomic<int> torn{0};
  std::thread reader([&] {
    while (!done) {
      const Result<Bytes> got = check.other.get("whole");
      if (!got.ok() || got->empty()) {
        ++torn;
        continue;
      }
      if (std::any_of(got->begin(), got->end(), [&](std::uint8_t byte) { return byte != got->front(); }))
        ++torn;
    }
  });
  for (int round = 1; round <= 200; ++round) check.put("whole", bytes_of(round));
  done = true;
  reader.join();
  check.that(torn == 0, "a reader saw a part of an object or none");
}

// Several writers, one key: exactly one puts it.
void one_writer_wins(Check& check) {
  for (int round = 0; round < 20; ++round) {
    const std::string key = "race/" + std::to_string(round);
    std::atomic<int> won{0};
    std::vector<std::thread> writers;
    for (int i = 0; i < 4; ++i) {
      writers.emplace_back([&, i] {
        Storage& mine = i % 2 == 0 ? check.storage : check.other;
        if (mine.put_if_absent(key, as_bytes(std::string(100, static_cast<char>('0' + i)))).ok()) ++won;
      });
    }
    for (std::thread& writer : writers) writer.join();
    check.that(won == 1, "put_if_absent succeeded " + std::to_string(won) + " times for one key");
  }
}

void publications_appear_whole(Check& check) {
  auto publication = check.storage.publication("sessions/full-1/", "sessions_tmp/full-1/");
  check.ok(publication.status(), "publication");
  if (!publication.ok()) return;
  Publication& session = **publication;
  check.ok(session.put("accounts/a.snap", as_bytes("first")), "put");
  check.ok(session.put("accounts/a.snap", as_bytes("snapshot of a")), "put of the same name");
  check.ok(session.put("list", as_bytes("a")), "put");
  check.fails(session.put("../escape", as_bytes("x")), Code::invalid_argument,
              "put of a name that leads out");
  check.fails(session.get("none").status(), Code::not_found, "get of a name that was not put");
  const Result<Bytes> got = session.get("accounts/a.snap");
  check.ok(got.status(), "get");
  if (got.ok()) check.that(as_text(*got) == "snapshot of a", "the publication answers other bytes");
  check.fails(check.other.get("sessions/full-1/session.xml").status(), Code::not_found,
              "before the publication");

  check.ok(session.publish("session.xml", as_bytes("<session/>")), "publish");
  check.lists("sessions/",
              {"sessions/full-1/accounts/a.snap", "sessions/full-1/list", "sessions/full-1/session.xml"});
  check.lists("sessions_tmp/", {});
  check.holds("sessions/full-1/accounts/a.snap", "snapshot of a");
  check.holds("sessions/full-1/session.xml", "<session/>");
  check.that(!session.put("late", as_bytes("x")).ok(), "put after publish succeeded");
  check.fails(session.publish("session.xml", as_bytes("x")), Code::already_exists, "a second publish");
  check.that(!session.discard().ok(), "discard after publish succeeded");
  check.holds("sessions/full-1/session.xml", "<session/>");
}

void published_is_not_replaced(Check& check) {
  check.put("sessions/full-2/session.xml", "old");
  check.fails(check.storage.publication("sessions/full-2/", "sessions_tmp/full-2/").status(),
              Code::already_exists, "a publication where one is");
  check.fails(check.storage.publication("", "t/").status(), Code::invalid_argument,
              "a publication without prefix");
  check.fails(check.storage.publication("a", "t/").status(), Code::invalid_argument,
              "a prefix without slash");

  auto first = check.storage.publication("sessions/full-3/", "sessions_tmp/full-3/");
  check.ok(first.status(), "publication");
  if (!first.ok()) return;
  check.ok((*first)->put("a", as_bytes("first")), "put");
  check.fails(check.other.publication("sessions/full-3/", "sessions_tmp/full-3/").status(),
              Code::already_exists, "a second publication of the same prefix");
  check.put("sessions/full-3/session.xml", "somebody else's");
  check.fails((*first)->publish("session.xml", as_bytes("mine")), Code::already_exists,
              "publish over another");
  check.holds("sessions/full-3/session.xml", "somebody else's");
}

void discarded_is_gone(Check& check) {
  for (int round = 0; round < 2; ++round) {
    auto publication = check.storage.publication("p/x/", "p_tmp/x/");
    check.ok(publication.status(), "publication, after a discarded one too");
    if (!publication.ok()) return;
    check.ok((*publication)->put("a/b/c", as_bytes("1")), "put");
    check.ok((*publication)->put("d", as_bytes("2")), "put");
    check.ok((*publication)->discard(), "discard");
    check.lists("", {});
    check.ok((*publication)->discard(), "a second discard");
  }
}

void abandoned_is_not_published(Check& check) {
  {
    auto publication = check.storage.publication("p/y/", "p_tmp/y/");
    check.ok(publication.status(), "publication");
    if (!publication.ok()) return;
    check.ok((*publication)->put("a", as_bytes("1")), "put");
  }
  check.fails(check.other.info("p/y/last").status(), Code::not_found, "an abandoned publication");
  check.fails(check.storage.publication("p/y/", "p_tmp/y/").status(), Code::already_exists,
              "a publication where an abandoned one left something");
  for (const char* prefix : {"p/", "p_tmp/"}) {
    for (const std::string& key : check.list(prefix)) check.ok(check.storage.remove(key), "remove");
  }
  auto publication = check.storage.publication("p/y/", "p_tmp/y/");
  check.ok(publication.status(), "publication after the leftovers were removed");
  if (publication.ok()) check.ok((*publication)->publish("last", as_bytes("x")), "publish");
  check.lists("", {"p/y/last"});
}

struct Named {
  const char* name;
  void (*run)(Check&);
};

constexpr Named kChecks[] = {
    {"put replaces", put_replaces},
    {"put_if_absent keeps what is there", put_if_absent_keeps},
    {"keys are checked", keys_are_checked},
    {"absent objects", absent_objects},
    {"ranges and limits", ranges},
    {"lists are sorted", lists_are_sorted},
    {"lists end early and allow other calls", lists_stop_and_allow_calls},
    {"what is removed is gone", removed_is_gone},
    {"large objects", large_objects},
    {"sync answers", sync_answers},
    {"readers see whole objects", readers_see_whole_objects},
    {"one writer of a key wins", one_writer_wins},
    {"publications appear whole", publications_appear_whole},
    {"what is published is not replaced", published_is_not_replaced},
    {"what is discarded is gone", discarded_is_gone},
    {"what is abandoned is not published", abandoned_is_not_published},
};

std::string run(const Named& named, StoragePlace& place) {
  const auto first = place.open();
  if (!first.ok()) return "open: " + first.status().to_string();
  const auto second = place.open();
  if (!second.ok()) return "a second open: " + second.status().to_string();
  Check check(**first, **second);
  named.run(check);
  return check.failure;
}

}  // namespace

std::vector<StorageCheck> check_storage(const std::function<std::unique_ptr<StoragePlace>()>& make_place) {
  std::vector<StorageCheck> results;
  for (const Named& named : kChecks) {
    const std::unique_ptr<StoragePlace> place = make_place();
    results.push_back({named.name, run(named, *place)});
  }
  return results;
}

}  // namespace restante::conformance
