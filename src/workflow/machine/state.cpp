#include "workflow/machine/state.h"

#include <type_traits>

namespace hsmbridge::workflow {
namespace {

template <class T>
concept HasDossier = requires(const T& state) {
  state.dossier;
};
template <class T>
concept HasSubmission = requires(const T& state) {
  state.submission;
};
template <class T>
concept HasProgress = requires(const T& state) {
  state.progress;
};

}  // namespace

const Key* key_of(const State& state) {
  return std::visit(
      [](const auto& one) -> const Key* {
        using T = std::decay_t<decltype(one)>;
        if constexpr (HasDossier<T>) return &one.dossier.key;
        if constexpr (std::is_same_v<T, Preparing>) return one.key ? &*one.key : nullptr;
        if constexpr (std::is_same_v<T, Completed>) return &one.key;
        return nullptr;
      },
      state);
}

const Dossier* dossier_of(const State& state) {
  return std::visit(
      [](const auto& one) -> const Dossier* {
        if constexpr (HasDossier<std::decay_t<decltype(one)>>) return &one.dossier;
        return nullptr;
      },
      state);
}

const Draft* draft_of(const State& state) {
  const Dossier* dossier = dossier_of(state);
  return dossier == nullptr ? nullptr : &dossier->draft;
}

const Submission* submission_of(const State& state) {
  return std::visit(
      [](const auto& one) -> const Submission* {
        if constexpr (HasSubmission<std::decay_t<decltype(one)>>) return &one.submission;
        return nullptr;
      },
      state);
}

const Progress* progress_of(const State& state) {
  return std::visit(
      [](const auto& one) -> const Progress* {
        if constexpr (HasProgress<std::decay_t<decltype(one)>>) return &one.progress;
        return nullptr;
      },
      state);
}

bool is_final(StateName name) {
  return name >= StateName::completed && name != StateName::quarantined;
}

}  // namespace hsmbridge::workflow
