#include "workflow/machine/state.h"

#include <type_traits>

namespace hsmbridge::workflow {

template <>
inline constexpr std::array kWords<StateName>{HSMBRIDGE_STATES(HSMBRIDGE_WORD)};

namespace {

// A pointer to the member that `of` gives of the state at hand, null where its type has no such member.
template <class Part, class Of>
const Part* part_of(const State& state, Of of) {
  return std::visit(
      [&of](const auto& one) -> const Part* {
        if constexpr (std::is_invocable_v<Of, decltype(one)>) return &of(one);
        return nullptr;
      },
      state);
}

}  // namespace

std::string_view to_string(StateName name) {
  return word_of(name);
}
std::optional<StateName> state_name_from(std::string_view word) {
  return from_word<StateName>(word);
}

const PreparedRequest* prepared_of(const State& state) {
  return part_of<PreparedRequest>(state, [](const auto& one) -> decltype((one.prepared)) { return one.prepared; });
}

const Submission* submission_of(const State& state) {
  return part_of<Submission>(state, [](const auto& one) -> decltype((one.submission)) { return one.submission; });
}

const Progress* progress_of(const State& state) {
  return part_of<Progress>(state, [](const auto& one) -> decltype((one.progress)) { return one.progress; });
}

const Key* key_of(const State& state) {
  if (const auto* preparing = std::get_if<Preparing>(&state)) return preparing->key ? &*preparing->key : nullptr;
  if (const auto* completed = std::get_if<Completed>(&state)) return &completed->key;
  const PreparedRequest* prepared = prepared_of(state);
  return prepared == nullptr ? nullptr : &prepared->key;
}

const Draft* draft_of(const State& state) {
  const PreparedRequest* prepared = prepared_of(state);
  return prepared == nullptr ? nullptr : &prepared->draft;
}

}  // namespace hsmbridge::workflow
