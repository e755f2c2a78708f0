import ContentStore

print("store-torture comes with the next commit")
