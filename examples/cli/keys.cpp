// restante keys: who holds keys of an encrypted target, and changes of that.

#include <restante/keys.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <optional>

#include "command.hpp"
#include "setup.hpp"
#include "table.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::BackupTarget;
using restante::Code;
using restante::KeyHolder;
using restante::KeyRight;
using restante::KeyRing;
using restante::Status;

constexpr std::array<std::pair<std::string_view, KeyRight>, 5> kRights = {{{"none", KeyRight::none},
                                                                           {"write", KeyRight::write},
                                                                           {"read", KeyRight::read},
                                                                           {"remove", KeyRight::remove},
                                                                           {"manage", KeyRight::manage}}};

/// "write,read".
KeyRight rights_of(const std::string& text) {
  KeyRight rights = KeyRight::none;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    const std::string word = text.substr(from, comma - from);
    const auto known =
        std::find_if(kRights.begin(), kRights.end(), [&](const auto& right) { return right.first == word; });
    if (known == kRights.end())
      fail_usage(fmt::format("--rights {}: there is no right '{}'", printable(text), printable(word)),
                 "rights are write, read, remove, manage and none; several are separated by commas");
    rights = rights | known->second;
    from = comma + 1;
  }
  return rights;
}

std::string_view kind_of(const KeyHolder& holder) {
  switch (holder.kind) {
    case KeyHolder::Kind::passphrase: return "passphrase";
    case KeyHolder::Kind::key_file: return "key file";
    case KeyHolder::Kind::callback: return "elsewhere";
  }
  return "unknown";
}

class Keys final : public Command {
 public:
  Manual manual() const override {
    return {
        "keys", "shows and changes who holds keys of an encrypted target",
        "[--add NAME --rights RIGHTS [--this-server]\n  --key-file FILE | --passphrase-file FILE | "
        "--public-keys TEXT]\n"
        "[--remove NUMBER [--trust-until LABEL | --distrust]] [--rotate]\n[--create FILE] [--target PATH]",
        "Without an option it lists the holders. A holder has a key file or a passphrase, and rights: "
        "'write' to back up, 'read' to restore, 'remove' to delete old sessions, 'manage' for all of these "
        "and to change who holds keys, which needs it.\n"
        "A target is encrypted when 'restante init' makes it and the configuration names a key_file or a "
        "passphrase_file for it; that holder may manage. Nothing is rewritten when holders come and go: a "
        "new one reads what its rights allow, old sessions too. Removing one makes new keys, which it does "
        "not get, as --rotate does; what it could read before it may have copied. Of a server that was "
        "broken "
        "into, say with --trust-until which of its sessions was the last good one.\n"
        "--create makes a key file and prints its public keys; --add with these lets a key be added that "
        "never leaves its machine. That machine's configuration then needs the target's 'authority', "
        "which the list shows. Losing all keys that may manage and read is losing the target.",
        "restante keys\n"
        "restante keys --create /etc/restante/reader.key\n"
        "restante keys --add reader --rights read --key-file /etc/restante/reader.key\n"
        "restante keys --remove 2"};
  }

  void declare(CLI::App& app) override {
    app.add_option("--add", add_.label, "Add a holder of this name; it is not secret.")->type_name("NAME");
    app.add_option("--rights", rights_,
                   "What it may: write, read, remove, manage, none; several with commas.")
        ->type_name("RIGHTS");
    app.add_option("--key-file", add_.key_file, "Its key file, which --create made.")->type_name("FILE");
    app.add_option("--passphrase-file", passphrase_file_, "Its passphrase: the first line of this file.")
        ->type_name("FILE");
    app.add_option("--public-keys", add_.public_keys,
                   "What --create printed, where its key file is elsewhere.")
        ->type_name("TEXT");
    app.add_flag("--this-server", is_this_server_, "With --add: it signs sessions of this server only.");
    remove_option_ =
        app.add_option("--remove", remove_, "Remove the holder with this number.")->type_name("NUMBER");
    app.add_option("--trust-until", trust_until_,
                   "With --remove: of its sessions those up to this one go on counting; default: all.")
        ->type_name("LABEL");
    app.add_flag("--distrust", distrust_, "With --remove: no session that it made counts any more.");
    app.add_flag("--rotate", rotate_, "Make new keys for what is backed up from now on.");
    app.add_option("--create", create_, "Make a key file; nothing else is done.")->type_name("FILE");
    app.add_option("--target", target_, "This target; default: the first encrypted one of the configuration.")
        ->type_name("PATH");
  }

  void check(const restante::TimeZone&) override {
    const int changes = (add_.label.empty() ? 0 : 1) + (remove_option_->count() > 0 ? 1 : 0) +
                        (rotate_ ? 1 : 0) + (create_.empty() ? 0 : 1);
    if (changes > 1)
      fail_usage("only one of --add, --remove, --rotate and --create at a time",
                 "call the program several times");
    if (remove_option_->count() == 0 && (distrust_ || !trust_until_.empty()))
      fail_usage("--trust-until and --distrust belong to --remove", "remove a holder with --remove NUMBER");
    if (distrust_ && !trust_until_.empty())
      fail_usage("either --trust-until or --distrust",
                 "--distrust is for a machine that was broken into long ago");
    const int given = (add_.key_file.empty() ? 0 : 1) + (passphrase_file_.empty() ? 0 : 1) +
                      (add_.public_keys.empty() ? 0 : 1);
    if (add_.label.empty()) {
      if (given > 0 || !rights_.empty() || is_this_server_)
        fail_usage("--rights, --key-file, --passphrase-file, --public-keys and --this-server belong to --add",
                   "add a holder with --add NAME");
      return;
    }
    if (given != 1)
      fail_usage("--add needs exactly one of --key-file, --passphrase-file and --public-keys",
                 "'restante keys --create FILE' makes a key file");
    if (rights_.empty()) fail_usage("--add needs --rights", "for example --rights read");
    add_.rights = rights_of(rights_);
  }

  Exit run(Program& program) override;

 private:
  [[nodiscard]] std::string target_path(const Program& program) const;
  void change(Program& program, const BackupTarget& target, KeyRing& ring);
  static void show(Program& program, const BackupTarget& target, const KeyRing& ring);

  restante::NewHolder add_;
  std::string rights_;
  std::string passphrase_file_;
  bool is_this_server_ = false;
  CLI::Option* remove_option_ = nullptr;
  std::uint32_t remove_ = 0;
  std::string trust_until_;
  bool distrust_ = false;
  bool rotate_ = false;
  std::string create_;
  std::string target_;
};

std::string Keys::target_path(const Program& program) const {
  if (!target_.empty()) return target_;
  for (const TargetConfig& target : program.config.targets)
    if (target.has_key()) return target.path;
  return program.config.targets.front().path;
}

void Keys::change(Program& program, const BackupTarget& target, KeyRing& ring) {
  if (!add_.label.empty()) {
    if (!passphrase_file_.empty()) add_.passphrase = passphrase_in(passphrase_file_);
    if (is_this_server_) add_.server = open_log(program, "restante keys").server();
    const std::uint32_t number = require(ring.add(add_));
    program.answer["added"] = number;
    program.console.line(fmt::format("'{}' is holder {} and may {}", printable(add_.label), number,
                                     restante::name_of(add_.rights)));
  } else if (remove_option_->count() > 0) {
    restante::ChainHead last_trusted;
    if (!distrust_) last_trusted = require(target.chain_head(remove_, trust_until_));
    require(ring.remove(remove_, last_trusted));
    program.answer["removed"] = remove_;
    program.console.line(
        fmt::format("holder {} is removed; new keys were made, which it does not have", remove_));
  } else if (rotate_) {
    require(ring.rotate());
    program.answer["rotated"] = ring.epoch();
    program.console.line(fmt::format("new keys were made, the {}. of this target", ring.epoch()));
  }
}

void Keys::show(Program& program, const BackupTarget& target, const KeyRing& ring) {
  program.answer["target"] = json_text(target.describe());
  program.answer["authority"] = ring.authority();
  program.answer["epoch"] = ring.epoch();
  program.answer["me"] = ring.holder();
  program.answer["holders"] = Json::array();
  Table table({{"", Table::Align::right}, {"name"}, {"key"}, {"may"}, {"since"}, {"removed"}});
  for (const KeyHolder& holder : ring.holders()) {
    table.add({fmt::format("{}{}", holder.number == ring.holder() ? "*" : "", holder.number),
               printable(holder.label), std::string(kind_of(holder)), restante::name_of(holder.rights),
               program.zone.format(holder.added),
               holder.removed ? program.zone.format(*holder.removed) : ""});
    program.answer["holders"].push_back(
        {{"number", holder.number},
         {"name", json_text(holder.label)},
         {"key", kind_of(holder)},
         {"rights", restante::name_of(holder.rights)},
         {"server", holder.server.is_none() ? Json() : Json(holder.server.to_string())},
         {"added", json_time(holder.added)},
         {"removed", holder.removed ? json_time(*holder.removed) : Json()}});
  }
  program.console.text(table.text(program.console.columns()));
  program.console.line(fmt::format("authority {}", ring.authority()));
}

Exit Keys::run(Program& program) {
  if (!create_.empty()) {
    const std::string public_keys = require(restante::create_key_file(create_));
    program.answer["public_keys"] = public_keys;
    program.console.line(public_keys);
    return kDone;
  }
  const BackupTarget target = open_target(program, target_path(program));
  std::optional<KeyRing> ring = target.keys();
  if (!ring)
    fail(Status(Code::not_found,
                fmt::format("the target in {} is not encrypted", printable(target.describe())),
                "a target is encrypted when it is made: name a key_file for it and call 'restante init'"));
  change(program, target, *ring);
  const bool is_list = add_.label.empty() && remove_option_->count() == 0 && !rotate_;
  if (is_list) show(program, target, *ring);
  return kDone;
}

}  // namespace

std::unique_ptr<Command> make_keys() { return std::make_unique<Keys>(); }

}  // namespace cli
