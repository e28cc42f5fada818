#pragma once
// A Maildir with every oddity that the listing knows.

#include "maildir_fixture.hpp"

namespace restante::test {

inline void make_odd_maildir(const fs::path& box) {
  make_maildir(box);
  const auto message = [&](const std::string& path, const std::string& text) {
    write_file(box / path, "Subject: " + text + "\n\n" + text + "\n", kSomeTimeUs + 1'000'000 * path.size());
  };
  // INBOX, indexed.
  message("cur/1.host,S=20:2,FRST", "flags");
  message("cur/2.host:2,Pac", "passed, keywords a and c");
  message("cur/3.host:2,SR", "letters not sorted");
  message("cur/4.host", "cur without suffix");
  message("cur/5.host!2,S", "foreign separator");
  message("cur/6.host;2,FS", "another one");
  message("cur/7.host:1,experimental", "another info");
  message("cur/8.host:2,S", "a base name");
  message("cur/8.host:2,FS", "the same base name");
  message("new/8.host", "and again");
  message("cur/9\xff\x01 host:2,", "odd bytes");
  message("cur/:2,S", "no base name");
  message("cur/10.host:2,SS", "a letter twice");
  message("cur/11.host:2,S,x", "something behind the letters");
  message("new/12.host", "new");
  message("new/13.host:2,S", "new with flags");
  message("new/14.host:2,", "new with an empty suffix");
  message("cur/15.host:2,", "has a mode of its own");
  ::chmod((box / "cur/15.host:2,").c_str(), 0640);
  write_file(box / "cur/16.empty:2,", "", kSomeTimeUs);
  fs::create_hard_link(box / "cur/1.host,S=20:2,FRST", box / "cur/17.link:2,");
  message("cur/18.old:2,", "before 1970");
  const timespec times[2] = {{0, UTIME_OMIT}, {-100, 500'000'000}};
  REQUIRE(::utimensat(AT_FDCWD, (box / "cur/18.old:2,").c_str(), times, 0) == 0);
  write_file(box / "dovecot-uidlist",
             "3 V1700000001 N5 Gaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
             "1 :1.host,S=20\n2 Gguid2 W30 :2.host\n7 :8.host\n8 :5.host!2,S\n20 :gone.host\n");
  write_file(box / "dovecot-keywords", "0 Junk\n1 $Forwarded\n");
  // Not messages.
  write_file(box / "cur/.hidden", "hidden", kSomeTimeUs);
  write_file(box / "cur/sub/x:2,S", "in a directory in cur", kSomeTimeUs);
  write_file(box / "tmp/writing", "not delivered");
  write_file(box / "dovecot.index", "index");
  write_file(box / "dovecot.index.log", "index");
  write_file(box / "dovecot.list.index", "index");
  write_file(box / "dovecot-uidlist.lock", "");
  write_file(box / "dovecot-acl", "user=bob lr\n", kSomeTimeUs);
  write_file(box / "dovecot-uidvalidity", "65538001", kSomeTimeUs);
  write_file(box / "dovecot-uidvalidity.65538001", "", kSomeTimeUs);
  write_file(box / "maildirsize", "100S\n20 1\n", kSomeTimeUs);
  write_file(box / "sieve/main.sieve", "keep;\n", kSomeTimeUs);
  ::chmod((box / "sieve").c_str(), 0755);
  fs::create_symlink("sieve/main.sieve", box / ".dovecot.sieve");
  fs::create_directories(box / "empty-dir");
  ::chmod((box / "empty-dir").c_str(), 0700);
  write_file(box / "subscriptions", "V\t2\n\nWork\nWork\tReports\nnot there\nA\n");
  ::chmod((box / "cur/sub").c_str(), 0700);
  // Folders.
  for (const char* dir : {".Work", ".Work.Reports", ".Deep.er.still", ".Entw&APw-rfe",
                          ".Gr\xc3\xbc\xc3\x9f"
                          "e",
                          ".INBOX", ".INBOX.Child", ".Empty", ".Copy"}) {
    make_maildir(box / dir);
  }
  write_file(box / ".Work/maildirfolder", "", kSomeTimeUs);
  message(".Work/cur/w1:2,a", "letter without a name");
  write_file(box / ".Work/dovecot-uidlist", "1 77 9\n3 w1\n");
  message(".Work.Reports/new/r1", "nobody indexed this");
  message(".Deep.er.still/cur/d1:2,S", "parents without directories");
  message(".INBOX/cur/i1:2,S", "a folder that is called INBOX");
  message(".INBOX.Child/cur/c1:2,S", "a child of the INBOX");
  write_file(box / ".Copy/dovecot-uidlist", "3 V5 N1 Gaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
  write_file(box / ".Empty/dovecot-uidlist", "3 V1700000009 N33 Gbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb X-extra\n");
  ::chmod((box / ".Empty").c_str(), 0750);
  ::chmod((box / ".Empty/cur").c_str(), 0700);
  // Directories that are no folders.
  write_file(box / "bar/baz/cur/1:2,S", "nested, not Maildir++", kSomeTimeUs);
  write_file(box / ".nocur/new/1", "no cur/", kSomeTimeUs);
  write_file(box / "..odd/cur/1:2,S", "an empty level", kSomeTimeUs);
  for (const auto& entry : fs::recursive_directory_iterator(box)) {
    // What create_directories made under the umask.
    const std::string name = entry.path().filename();
    if (entry.is_directory() && name != "sieve" && name != ".Empty") ::chmod(entry.path().c_str(), 0700);
  }
}

}  // namespace restante::test
