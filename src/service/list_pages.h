#pragma once

#include "workflow/ports/store.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

// Lists that are shown while they are read, so that memory does not grow with them.
namespace hsmbridge::service {

// How a list ended.
struct ListEnd {
  std::size_t shown = 0;
  std::string last;      // what --after takes to go on; "" when nothing was shown
  std::size_t more = 0;  // that the limit left out, counted up to kMostCounted + 1
};
inline constexpr std::size_t kMostCounted = 10'000;

// Gives `show` what the query finds, a page at a time and at most `limit` in all. `id_of` gives the id of a line, by
// which the next page begins. Throws what the store and `show` throw.
template <class Query, class IdOf, class Show>
ListEnd show_pages(workflow::Store& store, Query query, std::optional<std::size_t> limit, IdOf id_of, Show show) {
  constexpr std::size_t kPage = 500;
  ListEnd end;
  while (!limit || end.shown < *limit) {
    query.most = static_cast<unsigned>(limit ? std::min(*limit - end.shown, kPage) : kPage);
    const auto lines = store.page(query);
    if (lines.empty()) return end;
    show(lines);
    end.shown += lines.size();
    end.last = id_of(lines.back());
    query.after.emplace(end.last);
    if (lines.size() < query.most) return end;
  }
  query.most = kMostCounted + 1;
  end.more = store.count(query);
  return end;
}

}  // namespace hsmbridge::service
