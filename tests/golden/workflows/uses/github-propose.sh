#!/usr/bin/env bash
# Written by `imagefab init`, once; yours to change.
#
#     bash .github/propose.sh BRANCH TITLE REPORT
#
# Commits what imagefab wrote, and opens a pull request for it, or updates the one that is open. The token that jobs have
# starts no checks on it; a token of your own in GH_TOKEN does, and in the checkout's `token`.
set -euo pipefail
branch=$1 title=$2 report=$3

git add --update
if [ -d images ]; then
    git add images
fi
if git diff --cached --quiet; then
    exit 0
fi
git -c user.name=imagefab -c user.email=imagefab@users.noreply.github.com commit --quiet --message "$title"
git push --quiet --force origin "HEAD:refs/heads/$branch"

# GitHub takes 65,536 characters.
head --bytes=60000 "$report" >"$RUNNER_TEMP/body.md"
open=$(gh pr list --head "$branch" --state open --json number --jq '.[].number')
if [ -n "$open" ]; then
    gh pr edit "$open" --title "$title" --body-file "$RUNNER_TEMP/body.md"
else
    gh pr create --base "$GITHUB_REF_NAME" --head "$branch" --title "$title" --body-file "$RUNNER_TEMP/body.md"
fi
