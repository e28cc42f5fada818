#include "model/pairing.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace restante::model {
namespace {

// What makes two messages the same one.
using Identity = std::pair<ContentRef, std::optional<Time>>;

struct Candidates {
  std::vector<Message*> from;
  std::vector<Message*> to;
};

using Likeness = std::tuple<std::uint32_t, std::uint32_t, std::vector<std::string>, std::vector<std::string>>;

Likeness likeness(const Message& message, FieldSet fields, bool with_flags) {
  Likeness value;
  if (fields.has(Field::uid)) std::get<0>(value) = message.uid;
  if (!with_flags) return value;
  std::get<1>(value) = message.flags;
  if (fields.has(Field::keywords)) std::get<2>(value) = message.keywords;
  if (fields.has(Field::tags)) std::get<3>(value) = message.tags;
  return value;
}

void sort_by_uid(std::vector<Message*>& messages) {
  std::sort(messages.begin(), messages.end(), [](const Message* a, const Message* b) {
    return std::tie(a->uid, a->id) < std::tie(b->uid, b->id);
  });
}

// Pairs what has the same key, one to one and in the order of UID and id, and leaves the others in the lists.
template <class KeyOf>
void pair_equal(Candidates& candidates, const KeyOf& key_of, std::vector<MessagePair>& pairs) {
  if (candidates.from.empty() || candidates.to.empty()) return;
  sort_by_uid(candidates.from);
  sort_by_uid(candidates.to);
  std::map<decltype(key_of(*candidates.from.front())), std::vector<Message*>> open;
  for (auto message = candidates.to.rbegin(); message != candidates.to.rend(); ++message)
    open[key_of(**message)].push_back(*message);  // the first is at the back
  std::vector<Message*> left;
  for (Message* const message : candidates.from) {
    const auto partners = open.find(key_of(*message));
    if (partners == open.end() || partners->second.empty()) {
      left.push_back(message);
      continue;
    }
    pairs.emplace_back(std::move(*message), std::move(*partners->second.back()));
    partners->second.pop_back();
  }
  candidates.from = std::move(left);
  candidates.to.clear();
  for (const auto& [key, messages] : open)
    candidates.to.insert(candidates.to.end(), messages.begin(), messages.end());
}

void pair_candidates(Candidates& candidates, FieldSet fields, std::vector<MessagePair>& pairs) {
  pair_equal(
      candidates, [&](const Message& m) { return likeness(m, fields, true); }, pairs);
  if (fields.has(Field::uid))
    pair_equal(
        candidates, [&](const Message& m) { return likeness(m, fields, false); }, pairs);
  pair_equal(
      candidates, [](const Message&) { return 0; }, pairs);
}

}  // namespace

std::vector<MessagePair> pair_messages(std::vector<Message> from, std::vector<Message> to, FieldSet fields) {
  std::vector<MessagePair> pairs;
  std::map<Identity, Candidates> groups;
  const auto group_of = [&](const Message& message) -> Candidates* {
    if (!message.content) return nullptr;
    const bool dated = fields.has(Field::internal_date);
    return &groups[Identity(*message.content, dated ? message.internal_date : std::nullopt)];
  };
  for (Message& message : from) {
    if (Candidates* const group = group_of(message))
      group->from.push_back(&message);
    else
      pairs.emplace_back(std::move(message), std::nullopt);
  }
  for (Message& message : to) {
    if (Candidates* const group = group_of(message))
      group->to.push_back(&message);
    else
      pairs.emplace_back(std::nullopt, std::move(message));
  }
  for (auto& [identity, candidates] : groups) {
    pair_candidates(candidates, fields, pairs);
    for (Message* const message : candidates.from) pairs.emplace_back(std::move(*message), std::nullopt);
    for (Message* const message : candidates.to) pairs.emplace_back(std::nullopt, std::move(*message));
  }
  return pairs;
}

}  // namespace restante::model
