#include "archive/reader.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <filesystem>

#include "archive/mailboxes.hpp"
#include "archive/writer.hpp"
#include "support/catch.hpp"

using namespace restante;
using namespace restante::archive;
using namespace restante::test;

namespace {

Bytes written(ArchiveFormat format, const std::function<void(ArchiveWriter&)>& fill) {
  Bytes bytes;
  const ArchiveOutput out = [&](ByteView piece) {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
    return Status();
  };
  Result<std::unique_ptr<ArchiveWriter>> writer = ArchiveWriter::open(format, 3, out);
  REQUIRE_OK(writer);
  fill(**writer);
  REQUIRE_OK((*writer)->close());
  CHECK((*writer)->bytes_out() == bytes.size());
  return bytes;
}

Result<ImportArchive> read_bytes(const Bytes& bytes, const ScratchDir& scratch,
                                 std::uint64_t limit = UINT64_MAX) {
  const auto reader = read_from_memory(ByteView(bytes));
  return ImportArchive::read(*reader, {scratch.path().string(), limit});
}

// Entries of kinds that `ArchiveWriter` never writes.
class OddTar {
 public:
  OddTar() : handle_(archive_write_new()) {
    archive_write_set_format_pax_restricted(handle_);
    bytes_.resize(4 << 20);
    archive_write_open_memory(handle_, bytes_.data(), bytes_.size(), &used_);
  }
  ~OddTar() { archive_write_free(handle_); }
  OddTar(const OddTar&) = delete;
  OddTar& operator=(const OddTar&) = delete;
  void add(const std::string& name, unsigned type, const std::string& text = {}, const std::string& link = {},
           bool hard = false) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, 0600);
    archive_entry_set_mtime(entry, 1'790'000'000, 0);
    archive_entry_set_size(entry, static_cast<la_int64_t>(text.size()));
    if (!link.empty() && hard) archive_entry_set_hardlink(entry, link.c_str());
    if (!link.empty() && !hard) archive_entry_set_symlink(entry, link.c_str());
    REQUIRE(archive_write_header(handle_, entry) <= ARCHIVE_OK);
    if (!text.empty()) REQUIRE(archive_write_data(handle_, text.data(), text.size()) >= 0);
    archive_entry_free(entry);
  }
  void message(const std::string& name, const std::string& text) { add(name, AE_IFREG, text); }
  [[nodiscard]] Bytes finish() {
    archive_write_close(handle_);
    bytes_.resize(used_);
    return bytes_;
  }

 private:
  struct archive* handle_;
  Bytes bytes_;
  std::size_t used_ = 0;
};

std::string text_of(const ImportArchive& archive, const Message& message) {
  Result<std::unique_ptr<ContentReader>> reader = archive.content().open(*message.content);
  REQUIRE_OK(reader);
  const Result<Bytes> bytes = read_all(**reader);
  REQUIRE_OK(bytes);
  return std::string(as_text(*bytes));
}

// "path|flags|keywords|text" of each message, sorted.
std::vector<std::string> mail_of(const ImportArchive& archive, const std::string& name) {
  const Result<MailboxState> state = archive.state(name);
  REQUIRE_OK(state);
  std::vector<std::string> mail;
  for (const auto& [key, message] : state->messages()) {
    std::string line = state->path_of(message.folder_id) + "|" + std::to_string(message.flags) + "|";
    for (const std::string& keyword : message.keywords) line += keyword + ",";
    mail.push_back(line + "|" + text_of(archive, message));
  }
  std::sort(mail.begin(), mail.end());
  return mail;
}

bool any_note(const ImportArchive& archive, const std::string& part) {
  for (const std::string& note : archive.notes())
    if (note.find(part) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("archive: what is written is read, in every format", "[archive]") {
  ScratchDir scratch;
  for (const ArchiveFormat format : {ArchiveFormat::tar, ArchiveFormat::tar_zst, ArchiveFormat::zip}) {
    const auto fill = [](ArchiveWriter& writer) {
      REQUIRE_OK(writer.directory("box/cur", 5));
      REQUIRE_OK(writer.file("box/cur/1:2,S", as_bytes("one"), 1'790'000'001));
      REQUIRE_OK(writer.file("box/cur/2:2,", {}, -7));
      REQUIRE_OK(writer.file("box/.Sub/cur/" + std::string(150, 'x') + ":2,F", as_bytes("long"), 9));
    };
    const Bytes bytes = written(format, fill);
    CHECK(bytes == written(format, fill));
    const Result<ImportArchive> archive = read_bytes(bytes, scratch);
    REQUIRE_OK(archive);
    CHECK(mail_of(*archive, "box") == std::vector<std::string>{"INBOX|0||", "INBOX|1||one", "Sub|4||long"});
    CHECK(archive->mailboxes()[0].kind == "Maildir");
  }
  CHECK(std::filesystem::is_empty(scratch.path()));
}

TEST_CASE("archive: a writer refuses more or fewer bytes than it announced", "[archive]") {
  Bytes bytes;
  const ArchiveOutput out = [](ByteView) { return Status(); };
  Result<std::unique_ptr<ArchiveWriter>> writer = ArchiveWriter::open(ArchiveFormat::tar, 3, out);
  REQUIRE_OK(writer);
  REQUIRE_OK((*writer)->begin_file("a", 3, 0));
  CHECK((*writer)->write(as_bytes("four")).code() == Code::damaged);
  REQUIRE_OK((*writer)->write(as_bytes("tw")));
  CHECK((*writer)->end_file().code() == Code::damaged);
  CHECK(ArchiveWriter::open(ArchiveFormat::tar_zst, 1000, out).status().code() == Code::invalid_argument);
}

TEST_CASE("archive: the failure of an output is the writer's answer", "[archive]") {
  const ArchiveOutput full = [](ByteView) { return Status(Code::no_space, "the disk is full"); };
  Result<std::unique_ptr<ArchiveWriter>> writer = ArchiveWriter::open(ArchiveFormat::tar, 3, full);
  REQUIRE_OK(writer);
  Status status = (*writer)->file("a", as_bytes(std::string(1 << 20, 'x')), 0);
  if (status.ok()) status = (*writer)->close();
  CHECK(status.code() == Code::no_space);
  CHECK(status.message() == "the disk is full");
}

TEST_CASE("archive: Maildirs that others packed are found with folders, flags and keywords", "[archive]") {
  ScratchDir scratch;
  OddTar tar;
  tar.message("./home/alice/Maildir/new/1.host", "new");
  tar.message("./home/alice/Maildir/cur/2.host:2,FSa", "keyword");
  tar.message("./home/alice/Maildir/dovecot-keywords", "0 $Forwarded\n");
  tar.message("./home/alice/Maildir/.Work.Reports/cur/3.host:2,", "deep");
  tar.message("./home/alice/Maildir/Plain/Sub/cur/4.host:2,", "fs layout");
  tar.message("./home/alice/Maildir/dovecot-uidlist", "3 V1 N1\n");
  tar.message("./home/bob/Maildir/cur/1.host:2,R", "bob");
  const Result<ImportArchive> archive = read_bytes(tar.finish(), scratch);
  REQUIRE_OK(archive);
  REQUIRE(archive->mailboxes().size() == 2);
  CHECK(mail_of(*archive, "home/alice/Maildir") ==
        std::vector<std::string>{"INBOX|0||new", "INBOX|5|$Forwarded,|keyword", "Plain/Sub|0||fs layout",
                                 "Work/Reports|0||deep"});
  CHECK(mail_of(*archive, "home/bob/Maildir") == std::vector<std::string>{"INBOX|2||bob"});
  CHECK(any_note(*archive, "dovecot-uidlist"));
}

TEST_CASE("archive: mboxes that others packed are found, unquoted, with their dates", "[archive]") {
  ScratchDir scratch;
  OddTar tar;
  tar.message("mail/INBOX",
              "From a@b Sat Nov 14 22:13:20 2026\nSubject: 1\n\n>From me\n\nFrom here on\n\n"
              "From a@b Sat Nov 14 22:13:21 2026\nSubject: 2\n");
  tar.message("mail/Work/Reports.mbox", "From - Sat Nov 14 22:13:22 2026\r\nSubject: 3\r\n\r\nx\r\n\r\n");
  tar.message("mail/Empty.mbox", "");
  tar.message("mail/notes.txt", "not mail");
  const Result<ImportArchive> archive = read_bytes(tar.finish(), scratch);
  REQUIRE_OK(archive);
  CHECK(mail_of(*archive, ".") == std::vector<std::string>{"INBOX|0||Subject: 1\n\nFrom me\n\nFrom here on\n",
                                                           "INBOX|0||Subject: 2\n",
                                                           "Work/Reports|0||Subject: 3\r\n\r\nx\r\n"});
  const MailboxState state = *archive->state(".");
  CHECK(state.folders().size() == 4);
  for (const auto& [key, message] : state.messages()) CHECK(message.internal_date.has_value());
  CHECK(any_note(*archive, "notes.txt"));
}

TEST_CASE("archive: links, devices and names that lead elsewhere are told and not imported", "[archive]") {
  ScratchDir scratch;
  OddTar tar;
  tar.message("box/cur/1:2,", "one");
  tar.add("box/cur/2:2,", AE_IFREG, {}, "box/cur/1:2,", true);
  tar.add("box/cur/3:2,", AE_IFREG, {}, "/etc/passwd", true);
  tar.add("box/cur/4:2,", AE_IFLNK, {}, "/etc/passwd");
  tar.add("box/cur/5:2,", AE_IFIFO);
  tar.add("box/cur/6:2,", AE_IFCHR);
  tar.message("../../cur/7:2,", "elsewhere");
  tar.message("box/../../../cur/8:2,", "elsewhere");
  tar.message("/box/cur/9:2,", "absolute");
  tar.message("box/cur/1:2,", "later");
  tar.message("box/cur/\xff\x01:2,", "odd name");
  const Result<ImportArchive> archive = read_bytes(tar.finish(), scratch);
  REQUIRE_OK(archive);
  REQUIRE(archive->mailboxes().size() == 1);
  CHECK(mail_of(*archive, "box") ==
        std::vector<std::string>{"INBOX|0||absolute", "INBOX|0||later", "INBOX|0||odd name", "INBOX|0||one"});
  for (const char* part : {"3:2,", "4:2,", "5:2,", "6:2,", "../../cur/7", "8:2,", "there twice"})
    CHECK(any_note(*archive, part));
}

TEST_CASE("archive: what is cut off at any byte is damaged or has no mail, and never a crash", "[archive]") {
  ScratchDir scratch;
  for (const ArchiveFormat format : {ArchiveFormat::tar, ArchiveFormat::tar_zst, ArchiveFormat::zip}) {
    const Bytes bytes = written(format, [](ArchiveWriter& writer) {
      REQUIRE_OK(writer.file("restante.json",
                             as_bytes(encode_description({ArchiveLayout::maildir, {{"a", "a", "a"}}})), 0));
      REQUIRE_OK(writer.file("a/Maildir/cur/1:2,", as_bytes(std::string(2000, 'x')), 0));
    });
    for (std::size_t size = 0; size < bytes.size(); size += 1 + size / 40) {
      const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      const Result<ImportArchive> archive = read_bytes(cut, scratch);
      CAPTURE(size);
      CHECK_FALSE(archive.ok());
    }
  }
}

TEST_CASE("archive: a bomb meets a limit before the disk is full", "[archive]") {
  ScratchDir scratch;
  const Bytes bytes = written(ArchiveFormat::tar_zst, [](ArchiveWriter& writer) {
    REQUIRE_OK(writer.begin_file("box/cur/1:2,", 64u << 20, 0));
    const Bytes zeros(1 << 20);
    for (int i = 0; i < 64; ++i) REQUIRE_OK(writer.write(zeros));
    REQUIRE_OK(writer.end_file());
  });
  CHECK(bytes.size() < 100'000);
  const Result<ImportArchive> archive = read_bytes(bytes, scratch, 10u << 20);
  CHECK(archive.status().code() == Code::no_space);
  if (!long_tests()) return;
  const Bytes bomb = written(ArchiveFormat::tar_zst, [](ArchiveWriter& writer) {
    REQUIRE_OK(writer.begin_file("box/cur/1:2,", 2u << 30, 0));
    const Bytes zeros(1 << 20);
    for (int i = 0; i < 2048; ++i) REQUIRE_OK(writer.write(zeros));
    REQUIRE_OK(writer.end_file());
  });
  const Result<ImportArchive> bombed = read_bytes(bomb, scratch);
  CHECK(bombed.status().code() == Code::no_space);
  CHECK(bombed.status().message().find("times its size") != std::string::npos);
}

TEST_CASE("archive: what is none is named", "[archive]") {
  ScratchDir scratch;
  for (const std::string text : {"", "hello", "PK\x03\x04", "\x28\xb5\x2f\xfd"}) {
    const Result<ImportArchive> archive = read_bytes(Bytes(text.begin(), text.end()), scratch);
    CHECK_FALSE(archive.ok());
    CHECK_FALSE(archive.status().message().empty());
  }
  CHECK(ImportArchive::read(scratch.file("none"), {scratch.path().string()}).status().code() ==
        Code::not_found);
  CHECK(ImportArchive::read(scratch.path().string(), {scratch.path().string()}).status().code() ==
        Code::invalid_argument);
}
