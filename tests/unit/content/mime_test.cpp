// Mail in the store: what copies share, and that every byte comes back.

#include <atomic>
#include <thread>

#include "content/mime_splitter.hpp"
#include "content_fixture.hpp"

namespace {

using namespace restante;
using namespace restante::test;

std::string lines_of_base64(const Bytes& bytes, std::uint32_t width, bool crlf) {
  Bytes lines;
  content::encode_base64_lines(bytes, {width, crlf, true}, lines);
  return std::string(lines.begin(), lines.end());
}

struct Mail {
  std::string trace;
  std::string header;
  std::string body;
  [[nodiscard]] Bytes bytes() const {
    const std::string all = trace + header + "\n" + body;
    return Bytes(all.begin(), all.end());
  }
};

Mail mail_with(const std::string& text, const std::string& attachment, const std::string& boundary = "=_b1",
               const std::string& file = "report.pdf") {
  Mail mail;
  mail.trace = "Return-Path: <a@example.com>\nDelivered-To: user@example.com\n";
  mail.header = "From: a@example.com\nSubject: the report\nContent-Type: multipart/mixed; boundary=\"" +
                boundary + "\"\n";
  mail.body = "--" + boundary + "\nContent-Type: text/plain\n\n" + text + "\n--" + boundary +
              "\nContent-Type: application/pdf; name=" + file + "\nContent-Transfer-Encoding: base64\n\n" +
              attachment + "--" + boundary + "--\n";
  return mail;
}

struct Site {
  ScratchDir scratch;
  std::shared_ptr<Storage> storage = make_memory_storage();
  std::unique_ptr<content::ContentStore> store = open_store(storage, small_packs(scratch));
  std::unique_ptr<content::ContentWriter> writer = open_writer(*store);
  std::vector<Bytes> put_so_far;

  /// Bytes that the packs grew by.
  std::uint64_t put_and_flush(const Bytes& bytes) {
    const std::uint64_t before = writer->stats().bytes_stored;
    put(*writer, bytes);
    REQUIRE_OK(writer->flush());
    put_so_far.push_back(bytes);
    for (const Bytes& known : put_so_far) require_content(*store, known);
    return writer->stats().bytes_stored - before;
  }
};

// Header, index and footer of a pack, and a recipe with its trace.
constexpr std::uint64_t kPackOfARecipe = 1500;

}  // namespace

TEST_CASE("mime: an attachment is stored once, however it is encoded and named", "[content]") {
  Site site;
  Random random("attachment");
  const Bytes file = random.bytes(100'000);
  const std::string text = random.text(3000);
  site.put_and_flush(mail_with(text, lines_of_base64(file, 76, false)).bytes());
  // Another sender, other lines, another name, other text of the same length.
  const Mail other = mail_with(random.text(300), lines_of_base64(file, 72, true), "----x", "copy.pdf");
  CHECK(site.put_and_flush(other.bytes()) < kPackOfARecipe + 1000);
  // The bare file, as some item may have it.
  CHECK(site.put_and_flush(file) == 0);
}

TEST_CASE("mime: copies of a delivery share all but their trace", "[content]") {
  Site site;
  Random random("copies");
  Mail mail = mail_with(random.text(20'000), lines_of_base64(random.bytes(20'000), 76, false));
  CHECK(site.put_and_flush(mail.bytes()) > 30'000);
  for (int i = 0; i < 5; ++i) {
    mail.trace = "Return-Path: <a@example.com>\nDelivered-To: " + random.text(12) +
                 "@example.com\nReceived: from mx.example.com by host with LMTP\n\tid " + random.text(20) +
                 ";\n";
    CHECK(site.put_and_flush(mail.bytes()) < kPackOfARecipe);
  }
}

TEST_CASE("mime: what is not canonical comes back as it was", "[content]") {
  Site site;
  Random random("irregular");
  const std::string good = lines_of_base64(random.bytes(6000), 76, false);
  std::vector<std::string> attachments = {good};
  attachments.push_back(good.substr(0, 760) + "\n" + good.substr(760));         // a blank line
  attachments.push_back(good.substr(0, 777) + " " + good.substr(777));          // trailing space
  attachments.push_back(good.substr(0, good.size() - 3));                       // cut off
  attachments.push_back(good + "AAAB=\n");                                      // padding that is wrong
  attachments.push_back(good.substr(0, 1540) + "short\n" + good.substr(1540));  // a short line in between
  attachments.push_back(lines_of_base64(random.bytes(6000), 76, true) + good);  // two line ends
  attachments.push_back(std::string(5000, 'A'));                                // one long line
  attachments.push_back("");
  for (const std::string& attachment : attachments) {
    Bytes bytes = mail_with(random.text(800), attachment).bytes();
    site.put_and_flush(bytes);
    bytes.resize(random.below(bytes.size()));
    site.put_and_flush(bytes);
  }
  CHECK(site.store->verify(true)->damages.empty());
}

TEST_CASE("mime: large messages stream, with attachments of many chunks", "[content]") {
  Site site;
  Random random("large mail");
  const Bytes file = random.bytes(9'000'000);
  site.put_and_flush(mail_with(random.text(2000), lines_of_base64(file, 76, true)).bytes());
  const std::uint64_t again =
      site.put_and_flush(mail_with("short", lines_of_base64(file, 60, false)).bytes());
  CHECK(again < kPackOfARecipe);
  CHECK(site.put_and_flush(file) == 0);
  CHECK(site.store->verify(true)->damages.empty());
}

TEST_CASE("mime: many threads of one writer store what they share once", "[content]") {
  const ScratchDir scratch;
  const std::shared_ptr<Storage> storage = make_memory_storage();
  const auto store = open_store(storage, small_packs(scratch));
  const auto writer = open_writer(*store);
  Random random("shared");
  const std::string attachment = lines_of_base64(random.bytes(50'000), 76, false);
  std::vector<std::vector<Bytes>> mails(4);
  std::uint64_t own_bytes = 0;
  for (auto& list : mails) {
    for (int i = 0; i < 50; ++i) {
      list.push_back(mail_with(random.text(600), attachment).bytes());
      own_bytes += 600;
    }
  }
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (const auto& list : mails) {
    threads.emplace_back([&] {
      for (const Bytes& bytes : list) {
        if (!try_put(*writer, bytes).ok()) ++failures;
        if (bytes.size() % 7 == 0 && !writer->flush().ok()) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  REQUIRE_OK(writer->flush());
  for (const auto& list : mails) {
    for (const Bytes& bytes : list) require_content(*store, bytes);
  }
  CHECK(writer->stats().contents_new == 200);
  // Once, or twice where a flush came in between two who looked; not 200 times.
  CHECK(writer->stats().bytes_stored < 2 * 50'000 + own_bytes + 200 * 1000);
  CHECK(store->verify(true)->damages.empty());
}
