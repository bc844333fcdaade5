"""What keeps an application in our process apart from us: its logging, its forks, its threads."""
