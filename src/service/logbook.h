#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "service/actor.h"
#include "service/gathered.h"
#include "workflow/ports/key_ring.h"
#include "workflow/ports/key_use.h"
#include "workflow/ports/store.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hsmbridge::service {

// What people do outside any request, as the store is told and asked about it. Works without a store too: then nothing
// is remembered. Thread rule: every function may be called from any thread.
class Logbook {
 public:
  // `open`: gives the store, null where none is configured; called when it is first needed, and again while it throws.
  // `nowhere`: called once, when something is to be written down and there is no store.
  Logbook(std::function<std::unique_ptr<workflow::Store>()> open, Actor actor, const Clock& clock,
          std::function<void()> nowhere);
  ~Logbook();

  // Appends a leaf to the audit log: durable when it returns, so that nothing leaves the process before. What several
  // threads record meanwhile becomes durable together, in one commit. Throws unavailable: then nothing may be signed or
  // destroyed.
  void record(std::string_view kind, const Json& facts);
  // The same as a function, which this must outlive.
  workflow::RecordFact recorder();
  // The same, and the key's record in the same commit.
  void record_key(std::string_view kind, const Json& facts, const workflow::KeyRecord& key);
  void record_key(std::string_view kind, const std::string& token, const workflow::KeyInfo& key,
                  std::string_view status);
  // A record says so of that public key, in any token. False without a store.
  bool is_compromised(const SpkiHash& spki);
  // A use of this key, which is active from now on where the store only knew that it was planned.
  workflow::RecordFact recorder_of_use(const std::string& token, const workflow::KeyInfo& key);
  // A person saw the lane work ("token:web"): workers that leave it alone try it at once. Nothing without a
  // store, or where this user may only read it.
  void lane_works(const std::string& lane);

  // Under a label, the id of the key that was planned for this token and is not known to be made: a crash, or a token
  // that failed, may have left it there.
  struct OpenPlan {
    Bytes id;
    bool random = false;  // known to be an id of this program: nobody else's key is under it
  };
  // With `chosen` the plan of that id alone counts, else those under ids that no person chose. Empty without a store.
  // Throws conflict when an open request is about to make one of them.
  std::map<std::string, OpenPlan> open_plans(const std::string& token, std::span<const std::string> labels,
                                             const x509::KeySpec& spec, const std::optional<Bytes>& chosen);
  // Throws conflict when one of these plans was carried out, or given up, since it was written down. Nothing without a
  // store.
  void expect_planned(const std::string& token, std::span<const workflow::KeyPlan> plans);

  Instant now() const { return clock_.now(); }

 private:
  // One thread's use of the store, which is for one thread at a time. Not to be nested.
  class Use {
   public:
    explicit Use(Logbook& book) : book_(book), pause_(book.leaves_) {}
    workflow::Store* store() const { return book_.opened(); }

   private:
    Logbook& book_;
    const Gathered<std::string>::Pause pause_;
  };
  // The two for whoever may use the store. Null where there is none; throws what opening it throws.
  workflow::Store* opened();
  void say_nowhere();
  bool is_planned(const std::string& token, const Bytes& id);

  std::function<std::unique_ptr<workflow::Store>()> open_;
  const Actor actor_;
  const Clock& clock_;
  std::function<void()> nowhere_;
  std::unique_ptr<workflow::Store> store_;

  Gathered<std::string> leaves_;  // one commit at a time, and who does it uses what is above
};

// The record of a key, with a word of workflow::status.
workflow::KeyRecord record_of(const std::string& token, const workflow::KeyInfo& key, std::string_view status,
                              Instant at);

}  // namespace hsmbridge::service
