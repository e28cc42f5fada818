#pragma once
// The same small session in every test, and in the golden files.

#include "target/session_file.hpp"
#include "target/target_file.hpp"

namespace restante::test {

inline Id128 example_id(std::uint8_t first) {
  Id128 id;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<std::uint8_t>(first + i);
  return id;
}

inline target::SessionRecord example_session() {
  target::SessionRecord record;
  SessionInfo& info = record.info;
  info.label = "full-20070712.155951.123";
  info.type = SessionType::full;
  info.status = SessionStatus::partial;
  info.server = example_id(1);
  info.server_name = "server1.example.com";
  info.began = Time{1'184'255'991'123'000};
  info.ended = Time{1'184'256'000'000'000};
  info.position = {example_id(2), example_id(3), 4711};
  info.first_sequence = 7;
  info.last_sequence = 9;
  info.bytes_read = 1000;
  info.bytes_stored = 400;
  SessionAccount alice;
  alice.id = "alice";
  alice.address = "alice@example.com";
  alice.status = AccountStatus::completed;
  alice.full = true;
  alice.snapshot_at = 4000;
  alice.redo_start = 3990;
  alice.consistent_at = 4100;
  alice.messages = 2;
  alice.bytes = 1000;
  alice.fields = FieldSet{Field::uid, Field::keywords};
  alice.digest.classes[0].bytes[0] = 0xAB;
  record.snapshots["alice"] = {{{"snapshots/0001.snap", 0, 300}, {"snapshots/0002.snap", 16, 20}}, 12};
  SessionAccount odd;
  odd.id = std::string("odd\x01\xff id ", 9);
  odd.address = " <&\"> ";
  odd.status = AccountStatus::error;
  odd.error = "cannot read it:\nno such file";
  info.accounts = {alice, odd};
  record.contents = 1;
  record.contents_digest.bytes[31] = 1;
  return record;
}

inline target::TargetFile example_target() {
  target::TargetFile file;
  file.id = example_id(16);
  file.created = Time{1'184'255'991'123'000};
  for (std::size_t i = 0; i < file.digest_key.bytes.size(); ++i)
    file.digest_key.bytes[i] = static_cast<std::uint8_t>(i);
  return file;
}

inline std::vector<Operation> example_snapshot() {
  Account account;
  account.id = "alice";
  account.address = "alice@example.com";
  Folder inbox;
  inbox.id = "inbox";
  inbox.name = "INBOX";
  inbox.uidvalidity = 7;
  inbox.uidnext = 43;
  std::vector<Operation> operations{AccountPut{account}, FolderPut{inbox}};
  for (std::uint32_t uid : {41u, 42u}) {
    Message message;
    message.id = "m" + std::to_string(uid);
    message.folder_id = "inbox";
    message.uidvalidity = 7;
    message.uid = uid;
    message.flags = kFlagSeen;
    message.content = content_ref_of(as_bytes("Subject: " + std::to_string(uid) + "\n\nHello.\n"));
    operations.emplace_back(MessagePut{{message}});
  }
  return operations;
}

}  // namespace restante::test
