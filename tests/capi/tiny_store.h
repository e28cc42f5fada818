/*
 * A mail store in memory, in plain C, as a host of restante would have one: accounts, one folder each,
 * messages with text. It is its own `restante_source`, and delivers through a redo log.
 */
#ifndef TINY_STORE_H
#define TINY_STORE_H

#include <restante.h>

enum { TINY_MAX_ACCOUNTS = 4, TINY_MAX_MESSAGES = 16, TINY_TEXT_SIZE = 200 };

typedef struct tiny_message {
  char id[32];
  char text[TINY_TEXT_SIZE];
  uint32_t uid;
  uint32_t flags;
} tiny_message;

typedef struct tiny_account {
  char id[32];
  char address[64];
  uint32_t uidnext;
  int message_count;
  tiny_message messages[TINY_MAX_MESSAGES];
} tiny_account;

/* How the store misbehaves on demand. */
typedef struct tiny_faults {
  int listing_fails;
  /* The account whose snapshot, content or barrier fails; NULL for none. */
  const char *snapshot_of;
  const char *content_of;
  const char *barrier_of;
  /* The callback answers with this code and no error of its own. */
  int32_t without_reason;
  /* The callback succeeds without answering. */
  int no_reply;
} tiny_faults;

typedef struct tiny_store {
  int account_count;
  tiny_account accounts[TINY_MAX_ACCOUNTS];
  tiny_faults faults;
  /* Content goes out through a read callback instead of as bytes. */
  int streams_content;
  int released;
  int readers_opened;
  int readers_released;
  int barriers;
} tiny_store;

enum { TINY_UIDVALIDITY = 7 };

void tiny_init(tiny_store *store);
tiny_account *tiny_add_account(tiny_store *store, const char *id);
/* Puts a message into the store without telling anybody. */
tiny_message *tiny_put(tiny_account *account, const char *id, const char *text);
/* The table of callbacks over this store. */
restante_source_vtable tiny_vtable(tiny_store *store);

/* Operations of the store, as C structures. */
restante_account tiny_account_record(const tiny_account *account);
restante_folder tiny_folder_record(const tiny_account *account);
restante_message tiny_message_record(const tiny_message *message);

/* Delivers as a host does: content and begin before the change, commit with the UID after it. */
int32_t tiny_deliver(tiny_account *account, restante_redo *redo, const char *id, const char *text,
                     restante_error **out_error);
/* Puts account and folder into the log, after the fact. */
int32_t tiny_log_account(const tiny_account *account, restante_redo *redo, restante_error **out_error);

#endif
