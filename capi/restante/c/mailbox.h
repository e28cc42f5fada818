#ifndef RESTANTE_C_MAILBOX_H
#define RESTANTE_C_MAILBOX_H
/**
 * Mailboxes: accounts, folders, messages, items
 *
 * Terms of IMAP (RFC 9051), OBJECTID (RFC 8474) and CONDSTORE (RFC 7162). The same structures go in when
 * a host builds operations and come out when it reads them. Ids are 1 to 1024 bytes.
 *
 * Part of restante.h, which tells the conventions.
 */

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A host-defined property, for example "mode" = "0600". Names are 1 to 255 bytes, each at most once. */
typedef struct restante_attribute {
  restante_view name;
  restante_view value;
} restante_attribute;

/** Names content: SHA-256 of the exact bytes, or a keyed digest, and their number. */
typedef struct restante_content {
  uint8_t digest[32];
  uint64_t size;
} restante_content;

/**
 * Optional members: a bit in `present` says that the member holds a value. Without it the member is ignored
 * and means "this store does not keep it", which is different from zero.
 */
enum {
  RESTANTE_HAS_CONTENT = 1,
  RESTANTE_HAS_INTERNAL_DATE = 2,
  RESTANTE_HAS_SAVE_DATE = 4,
  RESTANTE_HAS_MODSEQ = 8,
  RESTANTE_HAS_UIDNEXT = 16,
  RESTANTE_HAS_HIGHEST_MODSEQ = 32,
  RESTANTE_HAS_MOUNTPOINT = 64,
  RESTANTE_HAS_REVISION = 128
};

/** System flags of RFC 9051; \Recent is not kept. */
enum {
  RESTANTE_FLAG_SEEN = 1,
  RESTANTE_FLAG_ANSWERED = 2,
  RESTANTE_FLAG_FLAGGED = 4,
  RESTANTE_FLAG_DELETED = 8,
  RESTANTE_FLAG_DRAFT = 16
};

/** The reserved account that stands for the server: directory, system tables, local configuration. */
#define RESTANTE_SERVER_ACCOUNT "\001server"

/** A person or role with one mailbox. */
typedef struct restante_account {
  uint32_t struct_size;
  /** RESTANTE_HAS_ bits; none are defined here. */
  uint32_t present;
  /** Stable for the life of the account. */
  restante_view id;
  /** "user1@example.com"; may change. */
  restante_view address;
  /** For people; may be empty. */
  restante_view name;
  const restante_attribute *attributes;
  size_t attribute_count;
} restante_account;

/** A folder. Its path follows from `parent_id` and `name`. */
typedef struct restante_folder {
  uint32_t struct_size;
  /** RESTANTE_HAS_UIDNEXT, _HIGHEST_MODSEQ, _MOUNTPOINT. */
  uint32_t present;
  /** Never used again for another folder of the account. */
  restante_view id;
  /** Empty at the top. */
  restante_view parent_id;
  /** Bytes as the host keeps them; one level, not a path. */
  restante_view name;
  /** 0 while no server has assigned one. */
  uint32_t uidvalidity;
  uint32_t uidnext;
  uint64_t highest_modseq;
  /** RFC 6154, for example "\\Sent"; empty for none. */
  restante_view special_use;
  /** Host-defined, for example "dumpster"; empty for none. */
  restante_view role;
  /** A folder that shows another account's folder. */
  restante_view mountpoint_owner;
  restante_view mountpoint_remote_id;
  const restante_attribute *attributes;
  size_t attribute_count;
} restante_folder;

/** Flags of a viewer other than the owner, for example \Seen in a shared folder. */
typedef struct restante_viewer_flags {
  restante_view account_id;
  /** RESTANTE_FLAG_ bits. */
  uint32_t flags;
  /** Must be 0. */
  uint32_t reserved;
} restante_viewer_flags;

/** One membership of one email in one folder. */
typedef struct restante_message {
  uint32_t struct_size;
  /** RESTANTE_HAS_CONTENT, _INTERNAL_DATE, _SAVE_DATE, _MODSEQ. */
  uint32_t present;
  /** Unique within the folder, stable as long as the message stays there. */
  restante_view id;
  restante_view folder_id;
  /** Of the folder; the message is void if the folder has another. */
  uint32_t uidvalidity;
  /** 0 while unassigned. */
  uint32_t uid;
  /** RFC 8474: the same for copies of one email; empty if not kept. */
  restante_view email_id;
  restante_view thread_id;
  /** Absent in a snapshot: the session reads the content and fills it in. */
  restante_content content;
  /** RFC 9051. Microseconds UTC. */
  int64_t internal_date;
  /** RFC 8514. Microseconds UTC. */
  int64_t save_date;
  uint64_t modseq;
  /** Keywords in any order. */
  const restante_view *keywords;
  size_t keyword_count;
  /** Host tags that are no IMAP keywords, in any order. */
  const restante_view *tags;
  size_t tag_count;
  const restante_viewer_flags *viewer_flags;
  size_t viewer_flag_count;
  const restante_attribute *attributes;
  size_t attribute_count;
  /** RESTANTE_FLAG_ bits. */
  uint32_t flags;
  /** Must be 0. */
  uint32_t reserved;
} restante_message;

/** Everything else that a mailbox owns, by (kind, id): contact, calendar, subscription, Sieve script … */
typedef struct restante_item {
  uint32_t struct_size;
  /** RESTANTE_HAS_CONTENT, _MODSEQ, _REVISION. */
  uint32_t present;
  /** A short host-defined word; restante's own stores use "subscription" and "file". */
  restante_view kind;
  restante_view id;
  /** The folder that it goes away with; empty for none. */
  restante_view folder_id;
  /** The item that contains it; empty for none. */
  restante_view parent;
  uint32_t uid;
  uint32_t flags;
  uint64_t modseq;
  uint64_t revision;
  restante_content content;
  /** In any order. */
  const restante_view *tags;
  size_t tag_count;
  const restante_attribute *attributes;
  size_t attribute_count;
} restante_item;

/** Addresses messages of one folder, by UID or by message id; either list may be empty, not both. */
typedef struct restante_message_set {
  uint32_t struct_size;
  /** Must be 0. */
  uint32_t reserved;
  const uint32_t *uids;
  size_t uid_count;
  const restante_view *message_ids;
  size_t message_id_count;
} restante_message_set;

/** Removal of messages of one folder. */
typedef struct restante_expunge {
  uint32_t struct_size;
  /** RESTANTE_HAS_MODSEQ. */
  uint32_t present;
  restante_view folder_id;
  uint64_t modseq;
  const restante_message_set *messages;
  uint32_t uidvalidity;
  /** Must be 0. */
  uint32_t reserved;
} restante_expunge;

/** What a change of flags does with those that are there. */
enum {
  /** Flags, keywords and tags become what is given. */
  RESTANTE_FLAGS_REPLACE = 0,
  RESTANTE_FLAGS_ADD = 1,
  RESTANTE_FLAGS_REMOVE = 2
};

/** Change of flags, keywords and tags of messages of one folder. */
typedef struct restante_flags_change {
  uint32_t struct_size;
  /** RESTANTE_HAS_MODSEQ. */
  uint32_t present;
  restante_view folder_id;
  const restante_message_set *messages;
  uint32_t uidvalidity;
  /** RESTANTE_FLAGS_REPLACE, _ADD or _REMOVE. */
  uint32_t mode;
  uint64_t modseq;
  const restante_view *keywords;
  size_t keyword_count;
  const restante_view *tags;
  size_t tag_count;
  /** If not empty, `flags` are those of this viewer, and keywords and tags are none. */
  restante_view viewer_account;
  /** RESTANTE_FLAG_ bits. */
  uint32_t flags;
  /** Must be 0. */
  uint32_t reserved;
} restante_flags_change;

/** Something that only the host understands, kept in order. */
typedef struct restante_host_op {
  uint32_t struct_size;
  /** Must be 0. */
  uint32_t present;
  /** Which host it is for, and what it is called there. */
  restante_view host;
  restante_view name;
  /** The item that it changes; a later put of that item supersedes it. May be empty. */
  restante_view item_kind;
  restante_view item_id;
  restante_view data;
} restante_host_op;

/** What a restore went back to; the operations behind it in its transaction are what it changed. */
typedef struct restante_rewind {
  uint32_t struct_size;
  /** Must be 0. */
  uint32_t present;
  /** The position gone back to. */
  restante_id log;
  restante_id incarnation;
  uint64_t lsn;
  /** The session that the state came from; may have been removed since. */
  restante_view label;
} restante_rewind;

#ifdef __cplusplus
}
#endif

#endif /* RESTANTE_C_MAILBOX_H */
