/* What SQLite itself takes for state changes of requests: the statements that the store runs for one (src/store/
 * requests.cpp, outbox.cpp, audit_log.cpp), with the triggers, indexes and batch size of the store, and nothing else:
 * no JSON, no decision, no checks. The texts are those that each request has, so that rows are as long as they are.
 *
 *   cc -O2 -o raw_store raw_store.c -lsqlite3 -lcrypto
 *   raw_store STORE COUNT BATCH
 *
 * STORE is a copy of a store that can be thrown away (its journal says nothing true afterwards) with open requests that
 * wait for approval; COUNT state changes are made, BATCH a transaction, one for each request in turn. Prints one line:
 *   {"changes":N,"seconds":S,"per_second":R}
 */
#include <openssl/sha.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct request {
  char id[17];
  long sequence;
  char *state, *body, *reference, *provider, *lane;
};

static sqlite3 *db;

static void check(int code, const char *what) {
  if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) return;
  fprintf(stderr, "raw_store: %s: %s\n", what, sqlite3_errmsg(db));
  exit(1);
}

static sqlite3_stmt *prepare(const char *sql) {
  sqlite3_stmt *statement = NULL;
  check(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL), sql);
  return statement;
}

static void execute(const char *sql) { check(sqlite3_exec(db, sql, NULL, NULL, NULL), sql); }

static void text(sqlite3_stmt *statement, int at, const char *value) {
  check(sqlite3_bind_text(statement, at, value, -1, SQLITE_STATIC), "bind");
}

static void number(sqlite3_stmt *statement, int at, sqlite3_int64 value) {
  check(sqlite3_bind_int64(statement, at, value), "bind");
}

static void blob(sqlite3_stmt *statement, int at, const void *value, int size) {
  check(sqlite3_bind_blob(statement, at, value, size, SQLITE_STATIC), "bind");
}

static void run(sqlite3_stmt *statement) {
  while (sqlite3_step(statement) == SQLITE_ROW) {
  }
  check(sqlite3_reset(statement), "step");
}

static char *copied(sqlite3_stmt *statement, int column) {
  const char *value = (const char *)sqlite3_column_text(statement, column);
  return strdup(value == NULL ? "" : value);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "raw_store STORE COUNT BATCH\n");
    return 2;
  }
  const long count = atol(argv[2]), batch = atol(argv[3]);
  check(sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL), argv[1]);
  execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF");

  const long most = 10000;
  struct request *requests = calloc((size_t)most, sizeof *requests);
  long known = 0;
  sqlite3_stmt *find = prepare(
      "SELECT r.id, r.sequence, r.state_json, (SELECT body FROM events WHERE request = r.id AND sequence = r.sequence), "
      "json_extract(r.state_json, '$.submission.reference'), r.provider, "
      "(SELECT lane FROM effects WHERE request = r.id) FROM requests r WHERE r.id IN (SELECT id FROM requests WHERE "
      "final = 0 AND state = 'AwaitingApproval' ORDER BY created_at DESC, id DESC LIMIT ?) "
      "ORDER BY r.created_at DESC, r.id DESC"); /* those that store_rates takes: as far apart in the file */
  number(find, 1, most);
  for (; sqlite3_step(find) == SQLITE_ROW; ++known) {
    struct request *one = &requests[known];
    snprintf(one->id, sizeof one->id, "%s", (const char *)sqlite3_column_text(find, 0));
    one->sequence = (long)sqlite3_column_int64(find, 1);
    one->state = copied(find, 2);
    one->body = copied(find, 3);
    one->reference = copied(find, 4);
    one->provider = copied(find, 5);
    one->lane = copied(find, 6);
  }
  sqlite3_reset(find);
  if (known == 0) {
    fprintf(stderr, "raw_store: no request waits for approval in %s\n", argv[1]);
    return 1;
  }

  sqlite3_stmt *begin = prepare("BEGIN IMMEDIATE"), *commit = prepare("COMMIT");
  sqlite3_stmt *read = prepare("SELECT sequence, order_json, final, work FROM requests WHERE id = ?");
  sqlite3_stmt *lease = prepare(
      "SELECT 1 FROM effects WHERE request = ? AND owner = ? AND lease_boot = ? AND lease_until > ?");
  sqlite3_stmt *event =
      prepare("INSERT INTO events (request, sequence, at, actor, event, body, after) VALUES (?, ?, ?, ?, ?, ?, ?)");
  sqlite3_stmt *head = prepare("SELECT size, subtrees FROM tree_heads WHERE which = 'last'");
  sqlite3_stmt *last = prepare("SELECT position, root FROM leaves ORDER BY position DESC LIMIT 1");
  sqlite3_stmt *leaf = prepare("INSERT INTO leaves (position, hash, data, root) VALUES (?, ?, ?, ?)");
  sqlite3_stmt *new_head = prepare("INSERT OR REPLACE INTO tree_heads (which, size, subtrees) VALUES ('last', ?, ?)");
  sqlite3_stmt *update = prepare(
      "UPDATE requests SET state_json = ?, state = ?, final = ?, sequence = ?, changed_at = ?, spki = spki, key_name = "
      "key_name WHERE id = ?");
  sqlite3_stmt *reference =
      prepare("INSERT OR IGNORE INTO provider_references (provider, reference, request) VALUES (?, lower(?), ?)");
  sqlite3_stmt *effects = prepare("SELECT id, identity, owner IS NOT NULL FROM effects WHERE request = ?");
  sqlite3_stmt *drop = prepare("DELETE FROM effects WHERE request = ?");
  sqlite3_stmt *effect = prepare(
      "INSERT INTO effects (request, identity, name, attempt, target, lane, due, set_at) VALUES (?, 'poll', 'poll', 0, '', "
      "?, ?, ?)");

  char data[512];
  memset(data, 'x', sizeof data);
  unsigned char hash[32], root[32], subtrees[32 * 20];
  memset(subtrees, 7, sizeof subtrees);
  const sqlite3_int64 now = (sqlite3_int64)time(NULL) * 1000;
  const double started = seconds();
  for (long done = 0; done < count;) {
    run(begin);
    for (long i = 0; i < batch && done < count; ++i, ++done) {
      struct request *one = &requests[done % known];
      text(read, 1, one->id), run(read);
      text(lease, 1, one->id), text(lease, 2, "w"), text(lease, 3, "b"), number(lease, 4, now), run(lease);
      text(event, 1, one->id), number(event, 2, ++one->sequence), number(event, 3, now), text(event, 4, "provider:tsb");
      text(event, 5, "Reported"), text(event, 6, one->body), text(event, 7, "AwaitingApproval"), run(event);
      sqlite3_int64 size = 0;
      if (sqlite3_step(head) == SQLITE_ROW) size = sqlite3_column_int64(head, 0);
      sqlite3_reset(head);
      run(last);
      SHA256((const unsigned char *)data, 300, hash);
      for (int level = 0; level < 12; ++level) SHA256(subtrees, 65, root); /* as many as a root takes */
      number(leaf, 1, size), blob(leaf, 2, hash, 32), blob(leaf, 3, data, 300), blob(leaf, 4, root, 32), run(leaf);
      number(new_head, 1, size + 1), blob(new_head, 2, subtrees, 32 * 12), run(new_head);
      text(update, 1, one->state), text(update, 2, "AwaitingApproval"), number(update, 3, 0);
      number(update, 4, one->sequence), number(update, 5, now), text(update, 6, one->id), run(update);
      text(reference, 1, one->provider), text(reference, 2, one->reference), text(reference, 3, one->id), run(reference);
      text(effects, 1, one->id), run(effects);
      text(drop, 1, one->id), run(drop);
      text(effect, 1, one->id), text(effect, 2, one->lane), number(effect, 3, now), number(effect, 4, now), run(effect);
    }
    run(commit);
  }
  const double took = seconds() - started;
  printf("{\"changes\":%ld,\"seconds\":%.3f,\"per_second\":%.0f}\n", count, took, (double)count / took);
  return 0;
}
