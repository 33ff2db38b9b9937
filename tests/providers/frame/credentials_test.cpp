#include "providers/credentials.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::providers;

namespace {

// A source whose secret somebody may change.
struct Vault {
  std::string secret;
  int reads = 0;
  Source source(bool reread = true) {
    return {[this] { return ++reads, Secret(secret); }, reread};
  }
};

std::string now(Credentials& credentials) {
  return std::string(credentials.current(std::chrono::seconds{1}).secret.reveal());
}

}  // namespace

TEST_CASE("a secret is read once, and again when it was refused") {
  Vault vault{"one"};
  const auto credentials = stored_credentials({vault.source()});
  CHECK(now(*credentials) == "one");
  CHECK(now(*credentials) == "one");
  CHECK(vault.reads == 1);
  // The same again: a second call with it is of no use.
  CHECK_FALSE(credentials->replace(Secret("one")));
  CHECK(vault.reads == 2);
  vault.secret = "two";
  CHECK(credentials->replace(Secret("one")));
  CHECK(now(*credentials) == "two");
  CHECK(vault.reads == 3);
  // The refusal of an older one drops nothing.
  CHECK(credentials->replace(Secret("one")));
  CHECK(now(*credentials) == "two");
  CHECK(vault.reads == 3);
}

TEST_CASE("a source that gives another secret each time is tried once more and no oftener") {
  int reads = 0;
  const auto credentials = stored_credentials({{[&reads] { return Secret(std::to_string(++reads)); }}});
  CHECK(now(*credentials) == "1");
  CHECK(credentials->replace(Secret("1")));
  CHECK_FALSE(credentials->replace(Secret("2")));
  CHECK(now(*credentials) == "3");
  credentials->taken(Secret("3"));
  CHECK(credentials->replace(Secret("3")));
}

TEST_CASE("the next one takes the place of a refused one, and after the last all are read again") {
  Vault first{"a"};
  Vault second{"b"};
  const auto credentials = stored_credentials({first.source(), second.source()});
  CHECK(now(*credentials) == "a");
  CHECK(credentials->replace(Secret("a")));
  CHECK(now(*credentials) == "b");
  CHECK(credentials->known().size() == 2);
  first.secret = "a2";
  CHECK_FALSE(credentials->replace(Secret("b")));
  CHECK(credentials->known().size() == 2);  // a late answer may still speak of them
  CHECK(now(*credentials) == "a2");
  CHECK(first.reads == 2);
}

TEST_CASE("two calls whose credential was refused move on to the next one once, also before it was read") {
  Vault first{"a"};
  Vault second{"b"};
  const auto credentials = stored_credentials({first.source(), second.source()});
  CHECK(now(*credentials) == "a");
  CHECK(credentials->replace(Secret("a")));
  CHECK(credentials->replace(Secret("a")));
  CHECK(now(*credentials) == "b");
}

TEST_CASE("who was asked for a secret is not asked again on a server's word") {
  Vault one{"typed"};
  const auto alone = stored_credentials({one.source(false)});
  now(*alone);
  CHECK_FALSE(alone->replace(Secret("typed")));
  alone->doubted();
  CHECK(now(*alone) == "typed");
  CHECK(one.reads == 1);

  Vault typed{"t"};
  Vault file{"f"};
  const auto both = stored_credentials({typed.source(false), file.source()});
  now(*both);
  CHECK(both->replace(Secret("t")));
  now(*both);
  CHECK_FALSE(both->replace(Secret("f")));
  CHECK(now(*both) == "t");
  CHECK(typed.reads == 1);
}

TEST_CASE("a doubted secret is read again for the next call") {
  Vault vault{"one"};
  const auto credentials = stored_credentials({vault.source()});
  now(*credentials);
  vault.secret = "two";
  credentials->doubted();
  CHECK(now(*credentials) == "two");
}

TEST_CASE("whose a secret is stays with it and goes with it") {
  Vault vault{"one"};
  const auto credentials = stored_credentials({vault.source()});
  const auto account = [&] { return credentials->current(std::chrono::seconds{1}).account; };
  CHECK(account().empty());
  credentials->belongs_to(Secret("one"), "ann");
  credentials->belongs_to(Secret("older"), "ben");
  CHECK(account() == "ann");
  vault.secret = "two";
  CHECK(credentials->replace(Secret("one")));
  CHECK(account().empty());

  const auto told = stored_credentials({vault.source()}, NeededBy::every_request,
                                       [](const Secret& secret) { return "owner of " + std::string(secret.reveal()); });
  CHECK(told->current(std::chrono::seconds{1}).account == "owner of two");
}

TEST_CASE("a secret that cannot be read pauses the lane only where every request needs it") {
  const Source gone{[]() -> Secret { throw Error{ErrorKind::invalid_input, "file:key is empty"}; }};
  const auto said = [&](NeededBy needed) {
    try {
      stored_credentials({gone}, needed)->current(std::chrono::seconds{1});
    } catch (const Error& error) {
      return std::string(to_string(error.kind())) + " " + std::string(error.detail("lane"));
    }
    return std::string("no error");
  };
  CHECK(said(NeededBy::every_request) == "unavailable down");
  CHECK(said(NeededBy::some_calls) == "invalid_input ");
}
